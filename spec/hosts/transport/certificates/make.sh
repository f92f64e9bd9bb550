#!/usr/bin/env bash
# Made these certificates, good for 100 years: `ours` is signed by `ca`, `foreign` by `foreign-ca`, which nobody trusts; `expired` and `future`
# are signed by `ca`, too, `own` by itself. `server`, for 127.0.0.1,
# is its own authority.
set -euo pipefail
cd "$(dirname "$0")"
settings() {
  : > index.tmp
  printf '[ca]\ndefault_ca=it\n[it]\ndatabase=index.tmp\nnew_certs_dir=.\npolicy=any\ndefault_md=sha256\nrand_serial=yes\nx509_extensions=%s\n[any]\ncommonName=supplied\n[authority]\nbasicConstraints=critical,CA:TRUE\n[host]\nbasicConstraints=CA:FALSE\n' "$1" > ca.cnf.tmp
}
# name, what it is to be, first and last moment, arguments for who signs it
certificate() {
  settings "$2"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1-key.pem" -out "$1.tmp"
  openssl ca -batch -notext -config ca.cnf.tmp -startdate "$3" -enddate "$4" -in "$1.tmp" -out "$1.pem" "${@:5}"
}
always=(20250101000000Z 21250101000000Z)
certificate ca authority "${always[@]}" -selfsign -keyfile ca-key.pem
certificate foreign-ca authority "${always[@]}" -selfsign -keyfile foreign-ca-key.pem
certificate own host "${always[@]}" -selfsign -keyfile own-key.pem
certificate ours host "${always[@]}" -cert ca.pem -keyfile ca-key.pem
certificate foreign host "${always[@]}" -cert foreign-ca.pem -keyfile foreign-ca-key.pem
certificate expired host 20200101000000Z 20200102000000Z -cert ca.pem -keyfile ca-key.pem
certificate future host 21000101000000Z 21200101000000Z -cert ca.pem -keyfile ca-key.pem
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -addext subjectAltName=IP:127.0.0.1 -days 36500 \
  -keyout server-key.pem -out server.pem
find . -regex './[0-9A-F]+\.pem' -delete
rm -f ca-key.pem foreign-ca-key.pem ./*.tmp ./*.attr ./*.old ./*.tmp.*

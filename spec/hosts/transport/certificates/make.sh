#!/usr/bin/env bash
# Made these certificates, good for 100 years: `ours` is signed by `ca`, `foreign` by `foreign-ca`, which nobody trusts.
set -euo pipefail
cd "$(dirname "$0")"
authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=$1" -keyout "$1-key.tmp" -out "$1.pem"
}
host() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1-key.pem" -out "$1.tmp"
  openssl x509 -req -in "$1.tmp" -CA "$2.pem" -CAkey "$2-key.tmp" -CAcreateserial -days 36500 -out "$1.pem"
}
authority ca
authority foreign-ca
host ours ca
host foreign foreign-ca
rm -f ./*.tmp ./*.srl

/**
 * Why a server cannot listen on a port, and what to do about it.
 *
 * @param cause the error that the server emitted
 */
export function whyNotListening({ code, message }: NodeJS.ErrnoException): string {
  const why = code === undefined ? undefined : reasons[code];
  return why === undefined ? message : `${why} (${code}).`;
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use. Give another port, or 0 for any free port',
  EACCES: 'the port is reserved for the administrator. Give one above 1023, or 0 for any free port',
  EADDRNOTAVAIL: 'this machine has no such address. Give one of its own, such as 127.0.0.1',
};

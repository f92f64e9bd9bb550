import { TcpTransport } from '../../../lib/hosts/transport/tcp/tcp-transport.ts';
import { transportContract } from './contract.ts';

transportContract('the TCP transport', (identity) => new TcpTransport({ identity: () => identity, port: 0 }));

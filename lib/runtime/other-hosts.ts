/** Loaded only with a transport, so that other programs load neither these modules nor Node's network modules. */
export { Hosts } from './hosts.ts';
export { RemoteActors } from './actors/remote-actors.ts';

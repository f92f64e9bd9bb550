/** Loaded only with a transport, so that other programs load neither these modules nor Node's network modules. */
export { Admission } from '../hosts/cluster/admission.ts';
export { Hosts } from './hosts.ts';
export { RemoteActors } from './remote-actors.ts';

/** What only a Handoff with a transport needs, so that others load neither it nor Node's network modules. */
export { Admission } from '../hosts/cluster/admission.ts';
export { Hosts } from './hosts.ts';
export { RemoteActors } from './remote-actors.ts';

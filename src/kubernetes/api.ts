/** What talks to the API server, behind one lazy import: none of it is loaded where a file is enough. */
import { PodEvents, podIdentity } from './pod-events.ts';
import { inCluster, isInCluster } from './in-cluster.ts';
import type { Cluster } from './link.ts';

export { Reflector } from './reflector.ts';
export { PodEvents, podIdentity };

/** The pod's own, else a person's. The library's KubeConfig is loaded for a person only: it brings every model. */
export async function findCluster(env: Readonly<Record<string, string | undefined>>): Promise<Cluster> {
  if (isInCluster(env)) return inCluster(env);
  const { fromKubeconfig } = await import('./kubeconfig.ts');
  return fromKubeconfig(env['KUBECONFIG'] || undefined);
}

/** What the sidecar may ask of the API server: to read and watch its one ConfigMap, and to say in an Event that it refused one. */
import type { RbacV1Subject, V1ObjectMeta, V1PolicyRule, V1Role, V1RoleBinding, V1ServiceAccount } from '@kubernetes/client-node';
import { NAME } from './container.ts';

export const MANAGED_BY = 'app.kubernetes.io/managed-by';
/** What `--remove` knows further documents by. */
export const MANAGER = 'spillway-inject';

export type AccessObject = V1ServiceAccount | V1Role | V1RoleBinding;

export interface Access {
  readonly configMap: { readonly namespace: string | undefined; readonly name: string };
  readonly pod: { readonly namespace: string | undefined; readonly account: string };
  /** False if the workload brings a ServiceAccount of its own. */
  readonly ownAccount: boolean;
}

/** The client asks with fieldSelector=metadata.name=NAME, without which resourceNames would refuse list and watch. */
export function configMapRule(name: string): V1PolicyRule {
  return { apiGroups: [''], resources: ['configmaps'], resourceNames: [name], verbs: ['get', 'list', 'watch'] };
}

export const EVENTS_RULE: V1PolicyRule = { apiGroups: [''], resources: ['events'], verbs: ['create'] };

/** Without a namespace they go where the workload goes; a binding's account is then of the same one. */
export function accessObjects({ configMap, pod, ownAccount }: Access): AccessObject[] {
  const role = configMap.name === NAME ? NAME : `${NAME}:${configMap.name}`;
  const account: AccessObject[] = ownAccount
    ? [{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata(pod.account, pod.namespace) }]
    : [];
  if (configMap.namespace === pod.namespace) return [...account, ...granted(role, pod.namespace, [configMapRule(configMap.name), EVENTS_RULE], pod)];
  // Events stand where the pod is.
  return [...account, ...granted(role, configMap.namespace, [configMapRule(configMap.name)], pod), ...granted(`${NAME}-events`, pod.namespace, [EVENTS_RULE], pod)];
}

/** A binding's name says whom it binds, so that files of several workloads do not overwrite each other's. */
function granted(role: string, namespace: string | undefined, rules: V1PolicyRule[], pod: Access['pod']): AccessObject[] {
  const foreign = namespace !== pod.namespace;
  const subject: RbacV1Subject = { kind: 'ServiceAccount', name: pod.account, ...(pod.namespace !== undefined && { namespace: pod.namespace }) };
  return [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: metadata(role, namespace), rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: metadata(`${role}:${foreign ? `${pod.namespace}:` : ''}${pod.account}`, namespace),
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: role },
      subjects: [subject],
    },
  ];
}

function metadata(name: string, namespace: string | undefined): V1ObjectMeta {
  return { name, ...(namespace !== undefined && { namespace }), labels: { 'app.kubernetes.io/name': NAME, [MANAGED_BY]: MANAGER } };
}

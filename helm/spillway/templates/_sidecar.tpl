{{- /*
For your own chart, with this one among its dependencies:

  spec:
    initContainers:
      - {{- include "spillway.container" . | nindent 10 }}
    containers: ...
    volumes:
      {{- include "spillway.volumes" . | nindent 6 }}

and `{{- include "spillway.env" . | nindent 12 }}` under the app's `env` points the SDKs at the sidecar.
Under an alias give them its context: include "spillway.container" .Subcharts.ALIAS
src/kubernetes/inject/container.ts describes the same container; a test compares them.
*/ -}}

{{- define "spillway.container" -}}
{{- $ctx := . }}
{{- with (.Subcharts).spillway }}{{ $ctx = . }}{{ end }}
{{- if not (hasKey $ctx.Values "graceSeconds") }}
{{- fail "spillway.container: under an alias it needs the context of the chart: include \"spillway.container\" .Subcharts.ALIAS" }}
{{- end }}
{{- with $ctx -}}
name: spillway
image: {{ include "spillway.image" . }}
{{- with .Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
restartPolicy: Always
args:
  - serve
  - --config
  - /etc/spillway/spillway.yaml
  {{- if .Values.watch }}
  - --watch
  - configmap:$(POD_NAMESPACE)/{{ include "spillway.configMapName" . }}
  {{- end }}
  - --grace
  - {{ .Values.graceSeconds | int64 }}s
{{- with .Values.secrets }}
envFrom:
  {{- range . }}
  - secretRef: { name: {{ . }} }
  {{- end }}
{{- end }}
env:
  - { name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
  - { name: POD_NAMESPACE, valueFrom: { fieldRef: { fieldPath: metadata.namespace } } }
  - { name: POD_UID, valueFrom: { fieldRef: { fieldPath: metadata.uid } } }
  - { name: SPILLWAY_APP, valueFrom: { fieldRef: { fieldPath: "metadata.labels['app.kubernetes.io/name']" } } }
ports:
  - { name: spillway-admin, containerPort: 4001, protocol: TCP }
startupProbe:
  httpGet: { path: /startedz, port: spillway-admin }
  periodSeconds: 1
  failureThreshold: 30
  timeoutSeconds: 5
readinessProbe:
  httpGet: { path: /readyz, port: spillway-admin }
  periodSeconds: 5
  failureThreshold: 3
  timeoutSeconds: 5
livenessProbe:
  httpGet: { path: /livez, port: spillway-admin }
  periodSeconds: 10
  failureThreshold: 6
  timeoutSeconds: 5
resources: {{- toYaml .Values.resources | nindent 2 }}
securityContext: {{- include "spillway.securityContext" . | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - { name: spillway-config, mountPath: /etc/spillway, readOnly: true }
  {{- if .Values.secrets }}
  - { name: spillway-secrets, mountPath: /var/run/secrets/spillway, readOnly: true }
  {{- end }}
  {{- if .Values.watch }}
  - { name: spillway-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true }
  {{- end }}
{{- end }}
{{- end }}

{{- define "spillway.volumes" -}}
{{- $ctx := . }}
{{- with (.Subcharts).spillway }}{{ $ctx = . }}{{ end }}
{{- with $ctx -}}
- name: spillway-config
  configMap: { name: {{ include "spillway.configMapName" . }} }
{{- if .Values.secrets }}
- name: spillway-secrets
  projected:
    sources:
      {{- range .Values.secrets }}
      - secret: { name: {{ . }} }
      {{- end }}
{{- end }}
{{- if .Values.watch }}
- name: spillway-token
  projected:
    sources:
      - serviceAccountToken: { path: token, expirationSeconds: 3600 }
      - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
      - downwardAPI: { items: [{ path: namespace, fieldRef: { fieldPath: metadata.namespace } }] }
{{- end }}
{{- end }}
{{- end }}

{{- define "spillway.env" -}}
- { name: OPENAI_BASE_URL, value: http://localhost:4000/v1 }
- { name: OPENAI_API_KEY, value: held-by-spillway }
- { name: ANTHROPIC_BASE_URL, value: http://localhost:4000 }
- { name: ANTHROPIC_API_KEY, value: held-by-spillway }
{{- end }}

{{- define "spillway.fullname" -}}
{{- ternary .Release.Name (printf "%s-spillway" .Release.Name) (contains "spillway" .Release.Name) | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "spillway.configMapName" -}}
{{- .Values.configMap.name | default (include "spillway.fullname" .) -}}
{{- end }}

{{- define "spillway.image" -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end }}

{{- define "spillway.labels" -}}
app.kubernetes.io/name: spillway
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* Restricted Pod Security. */ -}}
{{- define "spillway.securityContext" -}}
allowPrivilegeEscalation: false
capabilities: { drop: [ALL] }
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- with .Values.user }}
runAsUser: {{ . | int64 }}
runAsGroup: {{ . | int64 }}
{{- end }}
seccompProfile: { type: RuntimeDefault }
{{- end }}

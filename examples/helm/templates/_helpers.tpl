{{/* The name of all that this release makes: without dots, and so short that "-admin" fits behind it. */}}
{{- define "proxy.name" -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end -}}
{{- $name | replace "." "-" | trunc 57 | trimSuffix "-" -}}
{{- end }}

{{/* By which services and policies choose the pods: it never changes. */}}
{{- define "proxy.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "proxy.labels" -}}
{{ include "proxy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* What the port of the traffic is asked for: Kubernetes has to ask somewhere. */}}
{{- define "proxy.healthPath" -}}
{{- if .Values.admin.secret }}{{ .Values.healthPath }}{{ else }}{{ .Values.healthPath | default "/healthz" }}{{ end -}}
{{- end }}

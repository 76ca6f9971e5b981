{{- /*
SPDX-FileCopyrightText: 2026 The rathaus authors
SPDX-License-Identifier: EUPL-1.2
*/}}

{{- /* What never changes, since a Deployment cannot change its selector. */}}
{{- define "rathaus.selector" -}}
app.kubernetes.io/name: rathaus
app.kubernetes.io/component: operator
{{- end }}

{{- define "rathaus.labels" -}}
{{ include "rathaus.selector" . }}
app.kubernetes.io/part-of: rathaus
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- /* The settings name the operator's place; they must not speak of another one. */}}
{{- define "rathaus.namespace" -}}
{{- if ne .Release.Namespace .Values.settings.operator.namespace }}
{{- fail (printf "settings.operator.namespace is %q, but the release goes into namespace %q: they must be the same, so pass --namespace %s or change the value" .Values.settings.operator.namespace .Release.Namespace .Values.settings.operator.namespace) }}
{{- end }}
{{- .Release.Namespace }}
{{- end }}

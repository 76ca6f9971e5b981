{{- /*
SPDX-FileCopyrightText: 2026 The rathaus authors
SPDX-License-Identifier: EUPL-1.2
*/}}

{{- /* Labels that never change between versions, since the selector of a Deployment is immutable. */}}
{{- define "rathaus.selector" -}}
app.kubernetes.io/name: rathaus
app.kubernetes.io/component: operator
{{- end }}

{{- define "rathaus.labels" -}}
{{ include "rathaus.selector" . }}
app.kubernetes.io/part-of: rathaus
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- /* The namespace of the release. Fails if the settings name another one as the operator's. */}}
{{- define "rathaus.namespace" -}}
{{- if ne .Release.Namespace .Values.settings.operator.namespace }}
{{- fail (printf "settings.operator.namespace is %q, but the release goes into namespace %q: they must be the same, so pass --namespace %s or change the value" .Values.settings.operator.namespace .Release.Namespace .Values.settings.operator.namespace) }}
{{- end }}
{{- .Release.Namespace }}
{{- end }}

{{/* Labels of all objects; `selector` alone is what pods are chosen by. */}}
{{- define "receiver.selector" -}}
app.kubernetes.io/name: hostaway-receiver
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "receiver.labels" -}}
{{ include "receiver.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The same container for the receiver and the migration: settings, secrets as files, a root that is read-only. */}}
{{- define "receiver.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
  - {name: HOSTAWAY_DATABASE_URL_FILE, value: /run/hostaway/database_url}
  - {name: HOSTAWAY_ENCRYPTION_KEYS_FILE, value: /run/hostaway/encryption_keys}
  - {name: HOSTAWAY_API_KEYS_FILE, value: /run/hostaway/api_keys}
  - {name: HOSTAWAY_PUBLIC_URL, value: {{ printf "https://%s" (required "domain: the domain at which Hostaway reaches the receiver" .Values.domain) | quote }}}
  - {name: HOSTAWAY_EGRESS, value: {{ .Values.egress | quote }}}
  - {name: HOSTAWAY_TIME_ZONE, value: {{ .Values.timeZone | quote }}}
volumeMounts:
  - {name: secrets, mountPath: /run/hostaway, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  - {name: home, mountPath: /var/lib/hostaway}
resources: {{- toYaml .Values.resources | nindent 2 }}
{{- end }}

{{- define "receiver.pod" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
volumes:
  - name: secrets
    secret: {secretName: {{ .Values.secretName | quote }}, defaultMode: 0440}
  - {name: tmp, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
  - {name: home, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
{{- end }}

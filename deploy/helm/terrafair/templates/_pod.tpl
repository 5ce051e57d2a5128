{{/* What pods of the platform and of workers have in common; `part` is added to the root by the caller. */}}
{{- define "terrafair.pod" -}}
serviceAccountName: {{ include "terrafair.serviceAccount" . }}
automountServiceAccountToken: {{ or (and .Values.workspaces.enabled (eq .part "platform")) (and .Values.steps.enabled (eq .part "worker")) }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.isolation.userNamespaces }}
hostUsers: false
{{- end }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {{ include "terrafair.seccomp" . | nindent 4 }}
{{- end -}}

{{- define "terrafair.seccomp" -}}
{{- if .Values.isolation.seccompProfile -}}
type: Localhost
localhostProfile: {{ .Values.isolation.seccompProfile }}
{{- else -}}
type: RuntimeDefault
{{- end }}
{{- end -}}

{{- define "terrafair.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
{{- if .Values.isolation.userNamespaces }}
procMount: Unmasked
{{- end }}
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "terrafair.environment" -}}
- name: TERRAFAIR_CONFIG
  value: /etc/terrafair/terrafair.toml
{{- range .Values.secrets.keys }}
- name: TERRAFAIR_{{ upper . }}_FILE
  value: /run/secrets/terrafair/{{ . }}
{{- end }}
{{- end -}}

{{- define "terrafair.mounts" -}}
- {name: home, mountPath: /var/lib/terrafair}
- {name: temporary, mountPath: /tmp}
- {name: settings, mountPath: /etc/terrafair, readOnly: true}
- {name: secrets, mountPath: /run/secrets/terrafair, readOnly: true}
{{- end -}}

{{- define "terrafair.volumes" -}}
- name: temporary
  emptyDir: {}
- name: settings
  configMap:
    name: {{ include "terrafair.name" . }}
- name: secrets
  secret:
    secretName: {{ include "terrafair.secret" . }}
    defaultMode: 0440
    items:
    {{- range concat .Values.secrets.keys .Values.secrets.files }}
      - {key: {{ . }}, path: {{ . }}}
    {{- end }}
{{- end -}}

{{- define "terrafair.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "terrafair.claim" -}}
accessModes: [{{ default "ReadWriteOnce" .accessMode }}]
{{- with .storageClass }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .size }}
{{- end -}}

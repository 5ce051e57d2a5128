{{/* Toil's settings: what the pod of each step is. It sees the homes of all workers, in the same place as they do. */}}
{{- define "terrafair.steps" -}}
image: {{ include "terrafair.image" . }}
service_account: {{ include "terrafair.name" . }}-steps
max_cores: {{ .Values.steps.maxCores | int }}
pod:
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- if .Values.isolation.userNamespaces }}
  hostUsers: false
  {{- end }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {{ include "terrafair.seccomp" . | nindent 6 }}
  {{- include "terrafair.placement" .Values.steps | nindent 2 }}
  volumes:
    - name: home
      persistentVolumeClaim:
        claimName: {{ include "terrafair.stepsClaim" . }}
    - name: temporary
      emptyDir: {}
  container:
    securityContext: {{ include "terrafair.security" . | nindent 6 }}
    volumeMounts:
      - {name: home, mountPath: /var/lib/terrafair}
      - {name: temporary, mountPath: /tmp}
{{- end -}}

{{- define "terrafair.stepsClaim" -}}
{{ default (printf "%s-steps" (include "terrafair.name" .)) .Values.steps.existingClaim }}
{{- end -}}

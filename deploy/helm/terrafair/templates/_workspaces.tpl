{{/* KubeSpawner's settings; the platform fills in size and environment of each workspace. */}}
{{- define "terrafair.workspaces" -}}
KubeSpawner:
  namespace: {{ .Release.Namespace }}
  image: {{ default (include "terrafair.image" .) .Values.workspaces.image }}
  pod_name_template: "{{ include "terrafair.name" . }}-lab-{user_server}"
  pvc_name_template: "{{ include "terrafair.name" . }}-lab-{user_server}"
  storage_pvc_ensure: true
  storage_capacity: {{ .Values.workspaces.size }}
  {{- with .Values.workspaces.storageClass }}
  storage_class: {{ . }}
  {{- end }}
  storage_access_modes: [ReadWriteOnce]
  volumes:
    - name: home
      persistentVolumeClaim:
        claimName: "{pvc_name}"
  volume_mounts:
    - name: home
      mountPath: /home/lab
  working_dir: /home/lab
  uid: 10001
  gid: 10001
  fs_gid: 10001
  allow_privilege_escalation: false
  automount_service_account_token: false
  {{- if .Values.isolation.userNamespaces }}
  extra_pod_config:
    hostUsers: false
  {{- end }}
  container_security_context:
    capabilities:
      drop: [ALL]
    runAsNonRoot: true
    seccompProfile:
      type: RuntimeDefault
  extra_labels:
    app.kubernetes.io/instance: {{ .Release.Name }}
    terrafair.part: workspace
  environment:
    HOME: /home/lab
{{- end -}}

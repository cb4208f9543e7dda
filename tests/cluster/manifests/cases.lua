--- The manifests of this folder, each with an edit: the text that is replaced, and by what.
-- `wide`: it has cluster-scoped objects or another namespace. `needs`: applied before by kubectl.
-- `alone`: it is deleted again, since it changes other objects. `fields = false`: kubectl sends other
-- fields than Moonsail does, to the same effect. `newest`: the oldest API server does not know all of its fields,
-- or has no controller that its end waits for.

return {
  { "nginx-deployment.yaml", edit = { "image: nginx:1.27.0", "image: nginx:1.27.1" } },
  { "postgres-statefulset.yaml", edit = { "terminationGracePeriodSeconds: 10", "terminationGracePeriodSeconds: 20" } },
  { "fluentd-daemonset.yaml", edit = { "memory: 200Mi", "memory: 300Mi" } },
  { "backup-cronjob.yaml", edit = { "-mtime +7", "-mtime +9" } },
  { "pi-job.yaml", newest = true, edit = { "ttlSecondsAfterFinished: 86400", "ttlSecondsAfterFinished: 3600" } },
  { "web-hpa.yaml", edit = { "averageValue: 1k", "averageValue: 1500" } },
  { "zookeeper-pdb.yaml", newest = true, edit = { "maxUnavailable: 33%", "maxUnavailable: 1" } },
  { "network-policies.yaml", edit = { "\n  - {}\n", "\n" } },
  { "tls-ingress.yaml", edit = { "pathType: Exact", "pathType: Prefix" } },
  { "role-and-binding.yaml", edit = { "namespace: ci", "namespace: cd" } },
  { "cluster-roles.yaml", wide = true, edit = { '  verbs: ["get", "post"]', '  verbs: ["get"]' } },
  { "claims.yaml", edit = { "name: myclaim", "name: myclaim\n  labels: {tier: gold}" } },
  { "volumes-and-classes.yaml", wide = true, newest = true, edit = { "persistentVolumeReclaimPolicy: Retain",
    "persistentVolumeReclaimPolicy: Delete" } },
  { "windows-configmap.yaml", edit = { "echo Building %1", "echo Building  %1" } },
  { "scripts-configmap.yaml", edit = { "  truth: \"yes\"\n", "" } },
  { "secrets.yaml", edit = { "username: YWRtaW4=", "user: YWRtaW4=" } },
  { "secret-stringdata.yaml", fields = false, edit = { "extra: YmFy", "extra: YmF6" } },
  { "services.yaml", edit = { "targetPort: 8443", "targetPort: 9443" } },
  { "crontab-crd.yaml", wide = true, edit = { "maximum: 10", "maximum: 12" } },
  { "crontab-object.yaml", needs = "crontab-crd.yaml", edit = { "  - name: after\n", "  - name: later\n" } },
  { "quota-and-limits.yaml", alone = true, edit = { "count/configmaps: 1e3", "count/configmaps: 1000" } },
  { "priority-class.yaml", wide = true, edit = { "used for XYZ service", "used for the XYZ service" } },
  { "list.yaml", edit = { 'data: {a: "1"}', 'data: {a: "2"}' } },
  { "anchors.yaml", edit = { "&text |", "&text |2-" } },
  { "helm-release.yaml", edit = { 'app.kubernetes.io/version: "6.7.0"', 'app.kubernetes.io/version: "6.7.1"' } },
  { "deployment.json", edit = { '"args": []', '"args": ["-v"]' } },
  { "validating-webhook.yaml", wide = true, newest = true, edit = { "timeoutSeconds: 5", "timeoutSeconds: 6" } },
  { "endpoint-slice.yaml", edit = { "ready: no", "ready: yes" } },
  { "pod.yaml", newest = true, edit = { "image: busybox:1.36", "image: busybox:1.37" } },
  { "namespace.yaml", wide = true, newest = true, edit = { "{a: b}", "{a: c}" } },
}

--- Requests whose answers must be the same from the demo cluster and a real API server.
-- Each: { what, method, path, body, type = , accept = }; NS in a path or a body is a new namespace.

local function deployment(more)
  return '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"app":"web"}},"spec":{'
    .. '"replicas":0,"paused":true,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{'
    .. '"containers":[{"name":"web","image":"example/web:1","ports":[{"containerPort":80}],"env":[{"name":"A","value":"1"}]}'
    .. (more or "") .. "]}}}}"
end

local function minimal(api, kind, name, rest)
  return ('{"apiVersion":"%s","kind":"%s","metadata":{"name":"%s"}%s}'):format(api, kind, name, rest or "")
end

local APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
local JSON, STRATEGIC = "application/json-patch+json", "application/strategic-merge-patch+json"
local CORE, APPS = "/api/v1/namespaces/NS", "/apis/apps/v1/namespaces/NS"
local BATCH, NET = "/apis/batch/v1/namespaces/NS", "/apis/networking.k8s.io/v1/namespaces/NS"
local POLICY, AUTO = "/apis/policy/v1/namespaces/NS", "/apis/autoscaling/v2/namespaces/NS"
local RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/NS"
local TEMPLATE = '"template":{"metadata":{"labels":{"app":"x"}},"spec":{"containers":[{"name":"c","image":"example/c:1"}]}}'
local SELECTOR = '"selector":{"matchLabels":{"app":"x"}}'
local JOB_TEMPLATE = '"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"example/c"}]}}'

return {
  -- create, read, refuse
  { "creates", "POST", CORE .. "/configmaps?fieldManager=a", minimal("v1", "ConfigMap", "c", ',"data":{"x":"1"}') },
  { "refuses to create it again", "POST", CORE .. "/configmaps", minimal("v1", "ConfigMap", "c") },
  { "reads", "GET", CORE .. "/configmaps/c" },
  { "does not find", "GET", CORE .. "/configmaps/none" },
  { "does not find in a group", "GET", APPS .. "/deployments/none" },
  { "does not serve a kind", "GET", CORE .. "/nothings" },
  { "does not serve a group", "GET", "/apis/nothing.example/v1", only = "text" },
  { "wants a namespace that is there", "POST", "/api/v1/namespaces/nowhere/configmaps", minimal("v1", "ConfigMap", "c") },
  { "wants a name", "POST", CORE .. "/configmaps", '{"apiVersion":"v1","kind":"ConfigMap","metadata":{}}' },
  { "wants a proper name", "POST", CORE .. "/configmaps", minimal("v1", "ConfigMap", "Up_per") },
  { "wants the namespace of the path", "POST", CORE .. "/configmaps",
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"default"}}' },
  { "refuses an unknown field", "POST", CORE .. "/configmaps?fieldValidation=Strict", minimal("v1", "ConfigMap", "s", ',"datta":{}') },
  { "is no list", "PATCH", CORE .. "/configmaps", "{}", type = MERGE, only = "status" },

  -- conflict
  { "refuses an old version", "PUT", CORE .. "/configmaps/c",
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","resourceVersion":"1"}}' },
  { "refuses another uid", "PATCH", CORE .. "/configmaps/c?fieldManager=a",
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","uid":"00000000-0000-0000-0000-000000000000"}}', type = APPLY },
  { "replaces", "PUT", CORE .. "/configmaps/c?fieldManager=b", minimal("v1", "ConfigMap", "c", ',"data":{"x":"1","y":"2"}') },
  { "replaces with the same", "PUT", CORE .. "/configmaps/c?fieldManager=d", minimal("v1", "ConfigMap", "c", ',"data":{"x":"1","y":"2"}') },
  { "refuses another name", "PUT", CORE .. "/configmaps/c", minimal("v1", "ConfigMap", "d") },

  -- patches
  { "merges", "PATCH", CORE .. "/configmaps/c?fieldManager=m", '{"data":{"x":null,"z":"3"},"metadata":{"labels":{"l":"1"}}}', type = MERGE },
  { "patches by steps", "PATCH", CORE .. "/configmaps/c?fieldManager=j",
    '[{"op":"add","path":"/data/w","value":"4"},{"op":"remove","path":"/data/z"},{"op":"test","path":"/data/y","value":"2"}]', type = JSON },
  { "refuses a step that does not fit", "PATCH", CORE .. "/configmaps/c", '[{"op":"remove","path":"/data/none"}]', type = JSON, only = "reason" },
  { "takes owners from a patch", "PATCH", CORE .. "/configmaps/c?fieldManager=j",
    '[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]', type = JSON },
  { "knows no such patch", "PATCH", CORE .. "/configmaps/c", "{}", type = "application/whatever", only = "reason" },

  -- server-side apply
  { "applies", "PATCH", CORE .. "/configmaps/s?fieldManager=one", minimal("v1", "ConfigMap", "s", ',"data":{"x":"1","y":"1"}'), type = APPLY },
  { "applies YAML", "PATCH", CORE .. "/configmaps/yaml?fieldManager=one", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}\ndata: {x: '1'}\n",
      type = APPLY },
  { "applies the same again", "PATCH", CORE .. "/configmaps/s?fieldManager=one", minimal("v1", "ConfigMap", "s", ',"data":{"x":"1","y":"1"}'), type = APPLY },
  { "is in conflict", "PATCH", CORE .. "/configmaps/s?fieldManager=two", minimal("v1", "ConfigMap", "s", ',"data":{"x":"2"}'), type = APPLY },
  { "is in two conflicts", "PATCH", CORE .. "/configmaps/s?fieldManager=two", minimal("v1", "ConfigMap", "s", ',"data":{"x":"2","y":"2"}'), type = APPLY },
  { "agrees", "PATCH", CORE .. "/configmaps/s?fieldManager=two", minimal("v1", "ConfigMap", "s", ',"data":{"x":"1"}'), type = APPLY },
  { "forces", "PATCH", CORE .. "/configmaps/s?fieldManager=two&force=true", minimal("v1", "ConfigMap", "s", ',"data":{"x":"3"}'), type = APPLY },
  { "gives up what is left out", "PATCH", CORE .. "/configmaps/s?fieldManager=one", minimal("v1", "ConfigMap", "s", ',"data":{"q":"1"}'), type = APPLY },
  { "wants a manager", "PATCH", CORE .. "/configmaps/s", minimal("v1", "ConfigMap", "s"), type = APPLY },
  { "only tries", "PATCH", CORE .. "/configmaps/s?fieldManager=one&dryRun=All", minimal("v1", "ConfigMap", "s", ',"data":{"q":"9"}'), type = APPLY },
  { "only tries to create", "POST", CORE .. "/configmaps?dryRun=All", minimal("v1", "ConfigMap", "dry") },
  { "has not created it", "GET", CORE .. "/configmaps/dry" },

  -- a workload: defaults, lists with keys, owners
  { "creates a Deployment", "POST", APPS .. "/deployments?fieldManager=a", deployment() },
  { "applies a Deployment over it", "PATCH", APPS .. "/deployments/web?fieldManager=b", deployment(), type = APPLY },
  { "adds a container by apply", "PATCH", APPS .. "/deployments/web?fieldManager=b", deployment ',{"name":"side","image":"example/side"}', type = APPLY },
  { "takes it away by apply", "PATCH", APPS .. "/deployments/web?fieldManager=b", deployment(), type = APPLY },
  { "is in conflict over an image", "PATCH", APPS .. "/deployments/web?fieldManager=c",
    (deployment():gsub("web:1", "web:2")), type = APPLY },
  { "merges containers by name", "PATCH", APPS .. "/deployments/web?fieldManager=hand",
    '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"example/web:9"}]}}}}', type = STRATEGIC },
  { "deletes by a strategic patch", "PATCH", APPS .. "/deployments/web?fieldManager=hand",
    '{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","$patch":"delete"}]}]}}}}', type = STRATEGIC },
  { "scales", "PATCH", APPS .. "/deployments/web/scale?fieldManager=s", '{"spec":{"replicas":0}}', type = MERGE },
  { "shows the scale", "GET", APPS .. "/deployments/web/scale" },
  { "keeps a selector", "PATCH", APPS .. "/deployments/web",
    '{"spec":{"selector":{"matchLabels":{"app":"other"}},"template":{"metadata":{"labels":{"app":"other"}}}}}', type = MERGE, only = "reason" },
  { "wants a selector that fits", "POST", APPS .. "/deployments",
    (deployment():gsub('"labels":{"app":"web"}},"spec":{"containers', '"labels":{"app":"no"}},"spec":{"containers')
      :gsub('"name":"web","labels"', '"name":"bad","labels"')), only = "reason" },
  { "wants containers", "POST", APPS .. "/deployments",
    minimal("apps/v1", "Deployment", "none", ',"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}}}}') },
  { "refuses a bad port", "POST", CORE .. "/services", minimal("v1", "Service", "bad", ',"spec":{"ports":[{"port":99999}]}') },

  -- every kind with its defaults
  { "Service", "POST", CORE .. "/services?fieldManager=a", minimal("v1", "Service", "svc", ',"spec":{"selector":{"app":"x"},"ports":[{"port":80}]}') },
  { "Service of two ports by apply", "PATCH", CORE .. "/services/two?fieldManager=a", minimal("v1", "Service", "two",
    ',"spec":{"ports":[{"name":"a","port":80,"targetPort":"http"},{"name":"b","port":81,"protocol":"UDP"}]}'), type = APPLY },
  { "Secret", "POST", CORE .. "/secrets?fieldManager=a", minimal("v1", "Secret", "sec", ',"stringData":{"p":"value"},"data":{"q":"dmFsdWU="}') },
  { "ServiceAccount", "POST", CORE .. "/serviceaccounts?fieldManager=a", minimal("v1", "ServiceAccount", "sa") },
  { "StatefulSet", "POST", APPS .. "/statefulsets?fieldManager=a", minimal("apps/v1", "StatefulSet", "st",
    ',"spec":{"replicas":0,"serviceName":"x",' .. SELECTOR .. "," .. TEMPLATE .. "}") },
  { "DaemonSet", "POST", APPS .. "/daemonsets?fieldManager=a&dryRun=All",
    minimal("apps/v1", "DaemonSet", "ds", ',"spec":{' .. SELECTOR .. "," .. TEMPLATE .. "}") },
  { "ReplicaSet", "POST", APPS .. "/replicasets?fieldManager=a",
    minimal("apps/v1", "ReplicaSet", "rs", ',"spec":{"replicas":0,' .. SELECTOR .. "," .. TEMPLATE .. "}") },
  { "Job", "POST", BATCH .. "/jobs?fieldManager=a&dryRun=All", minimal("batch/v1", "Job", "job", ',"spec":{' .. JOB_TEMPLATE .. "}") },
  { "CronJob", "POST", BATCH .. "/cronjobs?fieldManager=a",
    minimal("batch/v1", "CronJob", "cj", ',"spec":{"schedule":"0 0 1 1 *","jobTemplate":{"spec":{' .. JOB_TEMPLATE .. "}}}") },
  { "Ingress", "POST", NET .. "/ingresses?fieldManager=a", minimal("networking.k8s.io/v1", "Ingress", "ing",
    ',"spec":{"rules":[{"host":"a.example","http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"x","port":{"number":80}}}}]}}]}') },
  { "NetworkPolicy", "POST", NET .. "/networkpolicies?fieldManager=a", minimal("networking.k8s.io/v1", "NetworkPolicy", "np",
    ',"spec":{"podSelector":{},"ingress":[{"ports":[{"port":80}]}]}') },
  { "PodDisruptionBudget", "POST", POLICY .. "/poddisruptionbudgets?fieldManager=a",
    minimal("policy/v1", "PodDisruptionBudget", "pdb", ',"spec":{"minAvailable":1,' .. SELECTOR .. "}") },
  { "HorizontalPodAutoscaler", "POST", AUTO .. "/horizontalpodautoscalers?fieldManager=a", minimal("autoscaling/v2", "HorizontalPodAutoscaler", "hpa",
    ',"spec":{"maxReplicas":3,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}}') },
  { "HorizontalPodAutoscaler as v1", "GET", "/apis/autoscaling/v1/namespaces/NS/horizontalpodautoscalers/hpa", only = "spec" },
  { "PersistentVolumeClaim", "POST", CORE .. "/persistentvolumeclaims?fieldManager=a&dryRun=All", minimal("v1", "PersistentVolumeClaim", "pvc",
    ',"spec":{"storageClassName":"none","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}') },
  { "PersistentVolume", "POST", "/api/v1/persistentvolumes?fieldManager=a&dryRun=All", minimal("v1", "PersistentVolume", "pv-NS",
    ',"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/x"}}') },
  { "StorageClass", "POST", "/apis/storage.k8s.io/v1/storageclasses?fieldManager=a&dryRun=All",
    minimal("storage.k8s.io/v1", "StorageClass", "sc-NS", ',"provisioner":"x.example/y"') },
  { "Pod", "POST", CORE .. "/pods?fieldManager=a&dryRun=All",
    minimal("v1", "Pod", "pod", ',"spec":{"containers":[{"name":"c","image":"example/c:1"}]}'), only = "owners" },
  { "Lease", "POST", "/apis/coordination.k8s.io/v1/namespaces/NS/leases?fieldManager=a",
    minimal("coordination.k8s.io/v1", "Lease", "lease", ',"spec":{"holderIdentity":"me"}') },
  { "Role", "POST", RBAC .. "/roles?fieldManager=a",
    minimal("rbac.authorization.k8s.io/v1", "Role", "role", ',"rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]') },
  { "RoleBinding", "POST", RBAC .. "/rolebindings?fieldManager=a", minimal("rbac.authorization.k8s.io/v1", "RoleBinding", "rb",
    ',"roleRef":{"kind":"Role","name":"role"},"subjects":[{"kind":"User","name":"u"}]') },
  { "keeps a roleRef", "PATCH", RBAC .. "/rolebindings/rb",
    '{"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"other"}}', type = MERGE },
  { "Endpoints", "POST", CORE .. "/endpoints?fieldManager=a",
    minimal("v1", "Endpoints", "ep", ',"subsets":[{"addresses":[{"ip":"10.1.1.1"}],"ports":[{"port":80}]}]') },

  -- lists and tables
  { "lists", "GET", CORE .. "/configmaps?fieldSelector=metadata.name!=kube-root-ca.crt" },
  { "lists by label", "GET", CORE .. "/configmaps?labelSelector=l%3D1" },
  { "lists what is not labelled", "GET", APPS .. "/deployments?labelSelector=!app" },
  { "lists by set", "GET", APPS .. "/deployments?labelSelector=app%20in%20(web,x),app!=x", only = "names" },
  { "lists nothing", "GET", "/apis/apps/v1/namespaces/nowhere/deployments" },
  { "shows a table", "GET", CORE .. "/secrets", accept = "application/json;as=Table;v=v1;g=meta.k8s.io", only = "cells" },

  -- discovery
  { "says what a group serves", "GET", "/apis/policy/v1", only = "resources" },
  { "says what a group of workloads serves", "GET", "/apis/batch/v1", only = "resources" },
  { "says which versions", "GET", "/apis/autoscaling" },

  -- deleting
  { "deletes", "DELETE", CORE .. "/configmaps/c" },
  { "does not find it any more", "DELETE", CORE .. "/configmaps/c" },
  { "only tries to delete", "DELETE", CORE .. "/configmaps/s?dryRun=All" },
  { "wants the right uid to delete", "DELETE", CORE .. "/configmaps/s", '{"preconditions":{"uid":"00000000-0000-0000-0000-000000000000"}}' },
  { "deletes a Service", "DELETE", CORE .. "/services/svc" },
  { "deletes a Deployment", "DELETE", APPS .. "/deployments/web", '{"propagationPolicy":"Background"}' },
}

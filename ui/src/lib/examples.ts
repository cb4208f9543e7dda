/** Manifests to begin with. Each is small enough to be read, and shows one thing. */
export interface Example {
  id: string;
  title: string;
  text: string;
}

const guestbook = `# A guestbook: its settings, the web server and its address. Change what you like.
apiVersion: v1
kind: ConfigMap
metadata:
  name: guestbook
data:
  GREETING: Welcome aboard
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: guestbook
  labels: { app: guestbook }
spec:
  replicas: 2
  selector:
    matchLabels: { app: guestbook }
  template:
    metadata:
      labels: { app: guestbook }
    spec:
      containers:
        - name: web
          image: registry.example/guestbook:1.4.2
          envFrom: [{ configMapRef: { name: guestbook } }]
          ports: [{ name: http, containerPort: 8080 }]
---
apiVersion: v1
kind: Service
metadata:
  name: guestbook
spec:
  selector: { app: guestbook }
  ports: [{ name: http, port: 80, targetPort: http }]
`;

const fails = `# The second document is refused: a Deployment's selector must match its template's labels.
apiVersion: v1
kind: ConfigMap
metadata:
  name: checkout
data:
  CURRENCY: EUR
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
spec:
  replicas: 1
  selector:
    matchLabels: { app: checkout }
  template:
    metadata:
      labels: { app: chekout }
    spec:
      containers:
        - name: web
          image: registry.example/checkout:2.0.1
---
apiVersion: v1
kind: Service
metadata:
  name: checkout
spec:
  selector: { app: checkout }
  ports: [{ port: 80 }]
`;

/** Many small documents, so that there is time to watch, or to cancel. */
function fleet(): string {
  const ships: string[] = [];
  for (let i = 1; i <= 1200; i++) {
    ships.push(`apiVersion: v1
kind: ConfigMap
metadata: { name: ship-${String(i).padStart(4, "0")} }
data: { COURSE: "${(i * 37) % 360}" }
`);
  }
  return `# A fleet of 1,200 settings, one request after the other. Press Cancel in the middle.\n${ships.join("---\n")}`;
}

export const examples: readonly Example[] = [
  { id: "guestbook", title: "A guestbook, 3 documents", text: guestbook },
  { id: "fails", title: "One that fails", text: fails },
  { id: "slow", title: "A long one to cancel", text: fleet() },
];

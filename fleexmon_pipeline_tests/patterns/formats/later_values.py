"""More kinds of values, with realistic variety, for the formats in `later/`."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

_WORDS = {
    "login": "root admin ubuntu deploy postgres git test oracle jenkins app_rw app_ro reporting alice bob.jones c.white"
    " daniela erik fatima gustav.lind hannah ivan jmeyer kate lars m.rossi nina oliver backup svc-billing svc_etl",
    "server": "web-01 web-02 web-03 db-master db-replica-1 cache-3 worker-12 ip-10-0-3-17 es-data-0 es-data-1 mq1"
    " atlas",
    "mx": "mail.example.com mx1.example.org smtp.mail-out.example.net gateway.example.co.uk mail-ej1-f41.example.com"
    " static.22.43.example.de outbound.protection.example.com api.shop.example.com localhost shop.example.fr",
    "jail": "sshd postfix dovecot nginx-limit-req recidive",
    "vhost": "/ /prod /staging orders",
    "mq": "orders.created orders.paid emails invoices.pdf image_resize audit dead-letter user.sync celery"
    " reports.daily",
    "index": "logs-2026.11.20 logs-2026.11.21 products orders_v2 .kibana_task_manager metricbeat-7.17.0 customers"
    " products_tmp audit-2026.11",
    "ctx": "/ /shop /api /admin",
    "pool": "HikariPool-1 HikariPool-2 ReadPool",
    "sqltype": "VARCHAR BIGINT INTEGER TIMESTAMP BOOLEAN NUMERIC UUID",
    "sqlstate": "08006 23505 40001 57014 08003",
    "constraint": "users_email_key orders_pkey uk_customer_number products_sku_idx payments_reference_key",
    "column": "id email name customer_id created_at sku status order_number total address length map",
    "exception": "java.lang.IllegalStateException javax.persistence.EntityNotFoundException"
    " org.springframework.web.client.ResourceAccessException java.util.NoSuchElementException"
    " com.example.shop.CustomerException",
    "state": "NEW PAID PACKED SHIPPED DELIVERED RETURNED CANCELLED",
    "currency": "EUR EUR EUR USD GBP CHF SEK",
    "provider": "stripe adyen paypal klarna",
    "template": "welcome password-reset order-confirmation shipping-notice invoice newsletter-november",
    "category": "shoes bags electronics books garden toys jewellery kitchen outdoor music",
    "flag": "new-checkout dark_mode fast-search recommendations loyalty express-delivery giftcards",
    "client": "consumer-orders-1 consumer-billing-2 producer-1 producer-2 consumer-audit-1",
    "group": "orders billing audit search-indexer",
    "cachekey": "user:81273 user:1123 product:list product:42 session:a8f3 menu:main cart:991 home category:shoes"
    " category:bags",
    "job": "sendEmail resizeImage syncCrm buildSitemap cleanupSessions chargeCards exportOrders refreshPrices",
    "jserror": "Error TypeError MongoServerError AxiosError ValidationError",
    "event": "order.created order.paid customer.updated invoice.finalized refund.created ping",
    "bucket": "uploads-prod invoices media backups",
    "migration": "20260101-create-users 20260214-add-index 20260301-orders 20260502-drop-legacy 20260711-tenants",
    "rr": "A A A AAAA AAAA SRV PTR MX",
    "plugin": "kubernetes",
    "cluster": "outbound|8080||orders.prod.svc.cluster.local outbound|443||api.example.com inbound|3000|| xds-grpc"
    " BlackHoleCluster PassthroughCluster outbound|5432||db.prod.svc.cluster.local prometheus_stats",
    "listener": "0.0.0.0_15006 virtualInbound virtualOutbound 10.96.0.1_443 0.0.0.0_8080 connect_originate",
    "envoyflag": "- - - - UH UF NR DC UO via_upstream",
    "kuberes": "Deployment Service ConfigMap VirtualService Gateway Secret ServiceEntry pods nodes endpoints",
    "deployment": "orders payments frontend api search-indexer auth mailer image-proxy redis nginx-ingress worker"
    " billing",
    "namespace": "default prod staging kube-system monitoring istio-system team-a team-b",
    "dag": "daily_sales sync_crm ml_features_v2 cleanup warehouse_load hourly_events invoice_export ga4_import",
    "dagtask": "extract load transform extract.users wait_for_file notify_slack dbt_run dbt_test check_rows publish",
    "operator": "PythonOperator BashOperator S3KeySensor PostgresOperator KubernetesPodOperator DummyOperator",
    "pyerror": "ValueError KeyError ConnectionError TimeoutError psycopg2.OperationalError requests.HTTPError"
    " OperationalError django.db.utils.IntegrityError",
    "pymodule": "pandas airflow.providers.slack boto3 utils.dates sqlalchemy_bigquery",
    "schema": "public staging marts raw",
    "connid": "postgres_default aws_default slack http_crm bigquery",
    "sqltable": "users orders order_items customers payments products sessions events audit_log invoices carts",
    "celery": "shop.tasks.send_email shop.tasks.sync reports.build billing.charge cleanup images.resize crm.push",
    "role": "staff editors admins support customers",
    "tfres": "aws_instance aws_s3_bucket aws_iam_role aws_security_group google_compute_instance digitalocean_droplet"
    " kubernetes_namespace aws_db_instance random_id aws_lambda_function",
    "tfname": "web db this main logs worker[0] worker[1] backup default api",
    "clouderror": "AccessDenied BucketAlreadyExists InvalidParameterValue ThrottlingException LimitExceeded",
    "provider2": "aws google kubernetes random null helm tls",
    "jenkinsjob": "shop-api shop-web deploy-prod nightly infra mobile-android release",
    "branch": "main develop feature/checkout fix/JIRA-112 release/2.4 dependabot/npm",
    "npm": "request uuid har-validator core-js querystring inflight glob rimraf",
    "plan": "COLLSCAN IXSCAN COUNT_SCAN IDHACK",
    "dbname": "shop analytics billing crm postgres template1 shop_test",
    "replstate": "PRIMARY SECONDARY RECOVERING STARTUP2",
    "pgparam": "work_mem max_connections shared_buffers checkpoint_timeout log_min_duration_statement",
    "probe": "Liveness Readiness Startup",
    "volume": "config data kube-api-access tmp certs secrets",
    "scopes": "read write read,write admin openid,profile",
    "unitname": "nginx docker ssh cron postgresql@14-main php8.1-fpm snapd certbot myapp redis-server user@1000",
    "exitname": "FAILURE NOTIMPLEMENTED n/a",
    "result": "exit-code signal timeout oom-kill",
    "process": "java node python3 postgres nginx mysqld chrome php-fpm8.1 gunicorn redis-server containerd",
    "lib": "libc.so.6 libpython3.11.so.1.0 node libssl.so.3",
    "proto2": "TCP UDP ICMP",
    "flow": "rx/tx off",
    "aaop": "open exec mknod file_mmap",
    "aaprofile": "snap.firefox docker-default /usr/sbin/cups-browsed /usr/sbin/mysqld",
    "nmstate": "unavailable disconnected prepare config ip-config ip-check secondaries activated",
    "nmreason": "none carrier-changed managed connection-assumed",
    "snap": "core22 lxd firefox certbot snapd",
    "file": "report.pdf avatar.png import.csv IMG_2041.JPG invoice.xlsx routes.js index.js daemon.go task.go",
    "zip": "10115 SW1A 75001 94107 8001",
    "room": "lobby support team:12 orders:live admin",
}
_PHRASES = {
    "company": "Acme|Globex Corporation|Initech|Umbrella Health Ltd|Stark|Wayne Enterprises|Hooli|Vehement Capital"
    "|Massive Dynamic|Soylent",
    "person": "Alice Smith|Bob|Carol van der Berg|Dave Jones|Erin O'Neill|María José García|Frank|Grace Hopper",
    "city": "Berlin|London|New York|Paris|São Paulo|San Francisco|Oslo|Rome",
    "street": "Main Street|Hauptstr.|Rue de Rivoli|5th Avenue|Am Markt|High St",
    "product": "Red Shoes|Laptop 15|USB-C cable|Coffee mug|Desk|Standing desk oak|Lamp|Phone case",
    "query": "red shoes|laptop|usb c cable 2m|mug|birthday gift for dad|desk lamp|sofa",
    "decline": "insufficient funds|expired card|do not honor|lost card",
    "command": "/usr/bin/apt update|/bin/systemctl restart nginx|/usr/bin/php /srv/app/cron.php|/usr/local/bin/backup"
    "|   cd / && run-parts --report /etc/cron.hourly|/bin/ls",
    "sql": "SELECT * FROM orders WHERE id = $1|select o.id, o.total from orders o where o.customer_id=?|COMMIT|BEGIN"
    "|INSERT INTO events (kind, body) VALUES ($1, $2)|update products set stock=? where sku=?"
    "|SELECT count(*) FROM users WHERE last_login > now() - interval '7 days'|DELETE FROM sessions WHERE expires < $1"
    "|select p1_0.id,p1_0.name,p1_0.price from products p1_0 join categories c1_0 on c1_0.id=p1_0.category_id",
    "grpc": "no healthy upstream|upstream connect error|transport is closing",
    "netreason": "connection refused|Connection reset by peer|i/o timeout|no route to host|TLS handshake timeout|EOF",
    "reason": "connection refused|could not connect to server|value out of range|timeout after waiting for lock"
    "|invalid token|expired|no such file|permission denied for this resource|not supported any more",
    "jsmessage": "connect ETIMEDOUT|Validation failed|Request failed with status code 502|boom|x is not a function",
    "goerror": "context deadline exceeded|EOF|dial tcp 10.0.0.5:5432: connect: connection refused|not found"
    "|pq: duplicate key value violates unique constraint",
    "cloudthing": "S3 bucket|EC2 Instance|IAM Role|Security Group|DB Instance",
    "stage": "Checkout|Build|Unit tests|Deploy to staging|Deploy|Lint",
    "commit": "Fix login|Bump lodash from 4.17.20 to 4.17.21|Add cart|wip|Merge branch 'develop'|Update README.md",
    "shell": "npm ci|npm run build|docker push registry.example.com/shop/api:latest|mvn -B verify|make test|ls -la"
    "|kubectl apply -f deploy/",
    "dockerstep": "FROM node:18-alpine|WORKDIR /app|COPY . .|RUN npm ci --production|EXPOSE 3000|CMD [node, index.js]",
    "pyvalue": "None|True|{'sent': 3}|[]|'ok'|12",
    "unitdesc": "Daily apt download activities|Rotate log files|Docker Application Container Engine"
    "|OpenBSD Secure Shell"
    " server|Session 42 of User root|Network Name Resolution|Cleanup of Temporary Directories|PHP sessions|MyApp"
    "|A high performance web server|PostgreSQL Cluster 14-main|Snap Daemon|Certbot",
    "target": "Multi-User System|Network|Basic System|Timers|Swaps|Local File Systems|Sockets|Graphical Interface",
    "mountpoint": "Huge Pages File System|/boot/efi|/var/lib/docker|Kernel Debug File System|FUSE Control File System",
}


def later_values(rnd: random.Random, values: dict[str, Callable[[], str]]) -> dict[str, Callable[[], str]]:
    def one_of(words: list[str]) -> Callable[[], str]:
        weights = [(rank + 1) ** -0.7 for rank in range(len(words))]
        return lambda: rnd.choices(words, weights)[0]

    def digits(count: int) -> str:
        return "".join(rnd.choices(string.digits, k=count))

    def letters(count: int, of: str = string.ascii_lowercase + string.digits) -> str:
        return "".join(rnd.choices(of, k=count))

    def route() -> str:
        number = rnd.randrange(1, 9_999)
        routes = ("/", "/login", f"/api/orders/{number}", f"/api/orders?page={number % 9}", "/api/cart", "/healthz")
        more = (f"/api/users/{number}/orders", f"/products/{values['product']().replace(' ', '-').lower()}", "/metrics")
        return rnd.choice(routes + more)

    found = {kind: one_of(words.split()) for kind, words in _WORDS.items()}
    found |= {kind: one_of(phrases.split("|")) for kind, phrases in _PHRASES.items()}
    values = values | found

    def clock() -> str:
        return values["nxt"]().split()[1]

    return found | {
        "clock": clock,
        "pgclock": lambda: values["nxt"]().replace("/", "-") + "." + digits(3),
        "redisclock": lambda: f"{rnd.randrange(10, 29)} Nov 2026 {clock()}.{digits(3)}",
        "date": lambda: f"2026-{rnd.randrange(10, 13)}-{rnd.randrange(10, 29)}",
        "qid": lambda: letters(10, string.hexdigits[:10] + "ABCDEF"),
        "msgid": lambda: f"{letters(12)}.{digits(8)}@{values['mx']()}",
        "b64": lambda: letters(rnd.choice((16, 20)), string.ascii_letters + string.digits + "-_"),
        "hex8": lambda: letters(8, "0123456789abcdef"),
        "hex16": lambda: letters(16, "0123456789abcdef"),
        "sha40": lambda: letters(40, "0123456789abcdef"),
        "ref10": lambda: rnd.choice(("pi_", "ch_", "i-0", "sg-0")) + letters(10),
        "orderno": lambda: rnd.choice((f"SO-2026-{digits(6)}", f"A{digits(7)}", digits(8))),
        "anyvalue": lambda: rnd.choice(
            (digits(rnd.randint(1, 6)), values["email"](), values["word"](), values["uuid"](), "true", "null")
        ),
        "int6": lambda: digits(6),
        "float6": lambda: f"{rnd.random():.9f}",
        "uptime": lambda: f"{rnd.randrange(99_999)}.{digits(6)}",
        "epoch": lambda: f"17637{digits(8)}",
        "epochf": lambda: f"17637{digits(5)}.{digits(3)}",
        "gb": lambda: f"{rnd.random() * 90:.1f}",
        "size": lambda: rnd.choice(
            (f"{rnd.random() * 90:.1f} MB", f"{rnd.randrange(900)} kB", f"{rnd.randrange(9)}MiB")
        ),
        "url": lambda: f"https://{values['mx']()}/hooks/{letters(8)}",
        "giturl": lambda: (
            rnd.choice(("https://github.com/acme/", "git@github.com:acme/")) + values["jenkinsjob"]() + ".git"
        ),
        "cgroup": lambda: f"system.slice/{rnd.choice(('cron', 'docker', 'apt-daily', 'run-r' + letters(8)))}.service",
        "podname": lambda: (
            f"{values['deployment']()}-{letters(9, '0123456789bcdf')}-{letters(5, 'bcdfghjklmnpqrstvwxz2456789')}"
        ),
        "kubename": lambda: rnd.choice(
            (
                f"{values['deployment']()}.{values['namespace']()}.svc.cluster.local.",
                f"{values['mx']()}.",
                f"{values['mx']()}.{values['namespace']()}.svc.cluster.local.",
            )
        ),
        "route": route,
    }

"""Words and phrases for the values of the formats in `third/`."""

from __future__ import annotations

# In the order of how often they are drawn: the first most (see `third_values`).
WORDS = {
    "region": "north south west east bavaria saxony",
    "letter": "approval rejection reminder-1 documents-missing receipt reminder-2 welcome",
    "jevent": "ClaimReceived ClaimApproved PayoutRequested DocumentAttached ClaimRejected",
    "jtopic": "claims.events claims.payouts policies.changes claims.documents notifications",
    "jfield": "policyNumber damageDate description iban email amount",
    "quartz": "ReminderJob PayoutExportJob PolicySyncJob CleanupJob FraudCheckJob OutboxJob StatisticsJob ArchiveJob"
    " IbanCheckJob ScanImportJob LetterPrintJob SlaMonitorJob DunningJob TokenCleanupJob ReserveJob ReinsuranceJob",
    "jnode": "claims-6c8f7-abcde claims-6c8f7-x2x9k claims-6c8f7-q7lmp",
    "brstate": "CLOSED OPEN HALF_OPEN",
    "kbroker": "kafka-0.int.example.com kafka-1.int.example.com kafka-2.int.example.com",
    "jcache": "policies adjusters templates regions users authorities tariffs zipcodes holidays repairshops ibans",
    "Kind": "Backup Restore Schedule",
    "watched": "Backup Secret ConfigMap PersistentVolumeClaim Schedule Pod",
    "gons": "prod staging team-a monitoring default team-b billing search crm wiki data-lake payments auth mobile ci",
    "goname": "postgres-daily mongo-hourly uploads postgres-weekly redis-nightly etcd orders-db grafana wiki-files"
    " keycloak-db vault",
    "apigroup": "backup.acme.io/v1 apps/v1 batch/v1 snapshot.storage.k8s.io/v1 policy/v1 networking.k8s.io/v1",
    "sevent": "payment_intent.succeeded charge.refunded invoice.paid customer.subscription.updated checkout.completed",
    "handler": "PaymentHandler RefundHandler InvoiceHandler SubscriptionHandler",
    "ostatus": "CREATED PAID SHIPPED CANCELLED",
    "locale": "de-DE en-GB en-US fr-FR",
    "upstream": "pricing-api stock-api crm shipping-api",
    "apiclient": "mobile-ios mobile-android partner-idealo web partner-check24",
    "window": "1m 1h 10s",
    "coll": "orders products carts customers sessions",
    "mop": "find aggregate update",
    "apipath": "orders customers carts/checkout returns",
    "iso2": "DE FR AT NL PL US IT",
    "whouse": "HAM1 MUC2 WRO1",
    "aaction": "update delete create export login",
    "aresource": "order customer product price user",
    "outcome": "allowed allowed denied",
    "pmethod": "sepa card paypal transfer",
    "loginreason": "bad_password unknown_user expired_password ip_blocked",
    "txname": "create_invoice book_payment close_period import_statement create_customer",
    "job": "mail:send_mail pdf:render_pdf bank:import_statement default:export_datev default:dunning"
    " default:close_period mail:send_reminder pdf:merge_pdf bank:export_sepa default:cleanup crm:sync_contact"
    " default:recalculate crm:push_segments",
    "surname": "Huber Schmidt Vogel Keller Wagner Braun Fischer Roth Koch Neumann Wolf Graf Meyer Lange Busch Pohl"
    " Arnold Kaiser Fuchs Winter Sommer Brandt Haas Schuster Jahn Horn Engel Voigt Sauer Ott Kuhn Berger Seidel Franke",
    "setof": "invoice.due_days=14,30 dunning.enabled=false,true invoice.prefix=R-,RE- mail.locale=de,en"
    " dunning.stages=2,3",
    "vieserr": "MS_UNAVAILABLE TIMEOUT SERVICE_UNAVAILABLE",
    "fxcur": "USD GBP CHF PLN SEK JPY CZK",
    "httpv": "1.1 1.1 2.0 1.0",
    "ngmeth": "GET GET GET GET GET GET POST HEAD",
    "nicof": "igb~0000:01:00.0~eno1 igb~0000:01:00.1~eno2 ixgbe~0000:3b:00.0~enp59s0f0",
    "pgpair": "shop_app@shop reporting@shop postgres@postgres",
    "nguser": "- - - - - - - - - - - - monitor deploy",
    "nglogin": "admin test root monitor user deploy guest",
    "ngserver": "shop.example.com api.example.com www.example.com _ static.example.com",
    "ngport": "80 443",
    "ngconns": "768 1024",
    "ngsize": "150 157 0 166",
    "ngdir": "/var/www/shop/ /var/www/shop/images/ /var/www/html/ /var/www/shop/uploads/",
    "pgcol": "email id order_id customer_id sku code reference",
    "pgtable": "orders order_items customers payments cart_items products sessions stock vouchers events",
    "pgmissing": "order_item o.totals customer schema_version pg_stat_statements u.mail foo",
    "pgnear": "FROM ) , WHERE user ; limit",
    "pgsetting": "200 8MB 30s on 4GB",
    "usbport": "1-1 2-1 1-4 1-1.2 3-2 1-2.4 2-3",
    "usbspeed": "high-speed full-speed low-speed SuperSpeed",
    "usberr": "71 110 32",
    "sd": "sdb sdc sdd",
    "kop": "READ WRITE",
    "kdev": "sda nvme0n1 sdb sdc dm-3",
    "kpart": "sda1 nvme0n1p2 dm-0 sdb1 md0 dm-3 sdc1",
    "xfserr": "5 117 74",
    "kcomm": "java postgres node python3 mysqld kworker/u16:2 nginx dockerd jbd2/sda1-8 prometheus chrome stress"
    " php-fpm redis-server rsync",
    "oomadj": "0 0 0 -997 1000 -999 968 984",
    "hung": "120 241 362 120 120",
    "klib": "libc-2.31.so libjvm.so python3.8 node libcrypto.so.1.1 php-fpm8.1",
    "nicspeed": "1000 10000",
    "knic": "eno1 eth0 enp59s0f0 bond0 eno2",
    "bridge": "docker0 br-3f1c2a9b7d10 cni0 br0",
    "brportstate": "blocking forwarding disabled learning",
    "kuid": "0 1000 999 33 101 65534",
    "aares": "DENIED DENIED DENIED ALLOWED",
    "aamask": "r w x rw k",
    "dnaction": "BookingsController.Get BookingsController.List BookingsController.Create RoomsController.List"
    " GuestsController.Get RoomsController.Search HealthController.Get InvoicesController.Download"
    " GuestsController.Update BookingsController.Cancel",
    "dnact": "Get List Create Update Search Cancel",
    "dntype": "BookingDto RoomDto GuestDto InvoiceDto BookingPage",
    "dnclient": "ChannelManagerClient PaymentClient MailClient",
    "ctask": "orders.tasks.send_confirmation orders.tasks.sync_stock reports.tasks.daily media.thumbnails.make"
    " crm.sync_contact search.reindex billing.tasks.capture cleanup.expired_sessions",
    "pyhost": "worker-7d9f-1 worker-7d9f-2 worker-5c11-1 beat-0",
    "beat": "sync-stock~(orders.tasks.sync_stock) daily-report~(reports.tasks.daily) reindex~(search.reindex)"
    " expire~(cleanup.expired_sessions)",
    "place": "DE:Berlin DE:Hamburg DE:Munich AT:Vienna FR:Paris DE:Cologne NL:Amsterdam US:Ashburn CH:Zurich PL:Warsaw"
    " DE:Essen DE:Leipzig GB:London",
    "gunsig": "term hup winch int usr1",
    "csvname": "products.csv customers_2026.csv prices.csv stock.csv",
    "cks": "shop telemetry sessions system_auth",
    "ccf": "orders orders_by_customer readings carts events sessions readings_hourly products users audit",
    "flushreason": "SLAB_CLEANER COMMITLOG_DIRTY INTERNALLY_FORCED USER_FORCED",
    "cip": "10.20.0.11 10.20.0.12 10.20.0.13 10.20.1.11 10.20.1.12 10.20.1.13",
    "cstate": "NORMAL shutdown LEAVING BOOT",
    "g1gen": "Young Young Young Old",
    "cstage": "ReadStage MutationStage CompactionExecutor MemtableFlushWriter GossipStage HintsDispatcher"
    " Native-Transport-Requests CounterMutationStage AntiEntropyStage ValidationExecutor",
    "msgtype": "SMALL_MESSAGES LARGE_MESSAGES URGENT_MESSAGES",
    "framing": "CRC LZ4",
    "creq": "MUTATION_REQ READ_REQ READ_RSP HINT_REQ RANGE_REQ",
    "paral": "parallel sequential dc_parallel",
    "streamop": "Repair Bootstrap Rebuild",
    "cver": "4.0.7 4.0.11 4.1.3",
}
MIN_PHRASES = {
    "rejection": "damage not covered|policy lapsed|documents missing|suspected fraud|reported too late",
    "jio": "Connection refused|Read timed out|Connection reset|connect timed out",
    "jreset": "Connection reset by peer|Connection timed out",
    "kcause": "coordinator unavailable|error response NOT_COORDINATOR|session timed out without receiving a heartbeat"
    " response",
    "goerr": "context deadline exceeded|dial tcp 10.96.0.1:443: connect: connection refused|EOF|unexpected EOF"
    "|RequestTimeout: Your socket connection to the server was not read from or written to within the timeout period"
    '|Operation cannot be fulfilled on backups.backup.acme.io \\"postgres-daily\\": the object has been modified',
    "tlserr": "EOF|remote error: tls: bad certificate|read tcp 10.1.0.4:9443: read: connection reset by peer",
    "listerr": "Unauthorized|the server could not find the requested resource"
    "|Get 'https://10.96.0.1:443/api/v1/watch': dial tcp 10.96.0.1:443: connect: connection refused",
    "upmsg": "Request timed out|Product not found|socket hang up|Too many requests|connect ECONNREFUSED 10.0.3.7:8080",
    "violation": "email=invalid_string=Invalid email|zip=invalid_type=Required|quantity=too_small=Must be positive"
    "|phone=invalid_string=Invalid",
    "rejected": "AxiosError=Request failed with status code 502=pricing|TypeError=Cannot read properties of undefined"
    " (reading 'id')=orders|Error=socket hang up=http",
    "cancel": "customer request|wrong address|duplicate|created by mistake",
    "pdferr": "template: letter:42: unexpected EOF|font not found|signal: killed",
    "gopanic": "runtime error: invalid memory address or nil pointer dereference|runtime error: index out of range [3]"
    " with length 3|interface conversion: interface {} is nil, not string",
    "joberr": "context deadline exceeded|smtp: 550 mailbox unavailable|file not found|pq: deadlock detected",
    "phpwarn": "Undefined variable $cart in /var/www/lib/Cart.php|Undefined array key 'lang' in /var/www/shop/index.php"
    "|Attempt to read property 'ID' on null in /var/www/shop/wp-includes/post.php",
    "aawhat": 'operation="open" profile="snap.firefox" name="/proc/sys/net/core/somaxconn"'
    '|operation="exec" profile="/usr/sbin/cups-browsed" name="/usr/bin/lpstat"'
    '|operation="open" profile="/usr/sbin/mysqld" name="/sys/devices/system/node/"',
    "sslcode": "0A00006C:SSL routines::bad key share|0A000102:SSL routines::unsupported protocol"
    "|0A0000C1:SSL routines::no shared cipher|14201044:SSL routines:tls_choose_sigalg:internal error",
    "garbage": "\\x16\\x03\\x01\\x00\\xEE\\x01\\x00|\\x03\\x00\\x00/*\\xE0\\x00\\x00|MGLNDD_10.0.0.4_80",
    "usbproduct": "USB Receiver|Ultra Fit|USB2.0 Hub|Integrated Camera|USB Keyboard|Mass Storage|DataTraveler 3.0",
    "usbmaker": "Logitech|SanDisk|Generic|Kingston|Chicony Electronics Co., Ltd.|American Megatrends Inc.",
    "cresult": "None|None|None|True|{'synced': 12}|'ok'|{'sent': 1, 'failed': 0}",
    "rowerr": "missing column 'sku'|price is not a number|unknown category|duplicate sku",
}
JAVA_THROWN = (
    'java.lang.NullPointerException: Cannot invoke "com.acme.claims.Policy.getHolder()" because "policy" is null',
    "java.lang.IllegalStateException: Claim {} is already closed",
    "org.springframework.dao.DataIntegrityViolationException: could not execute statement [uk_claim_number]",
    "java.net.SocketTimeoutException: Read timed out",
    "com.acme.claims.PolicyNotFoundException: No policy {} found",
    "org.hibernate.StaleObjectStateException: Row was updated or deleted : [com.acme.claims.Claim#{}]",
)
PYTHON_THROWN = (
    ("KeyError", "'sku'"),
    ("ValueError", "invalid literal for int() with base 10: ''"),
    ("ConnectionRefusedError", "[Errno 111] Connect call failed ('10.0.4.12', 8000)"),
    ("TimeoutError", ""),
    ("requests.exceptions.HTTPError", "502 Server Error: Bad Gateway for url: https://api.example.com/v2/prices"),
    ("sqlalchemy.exc.OperationalError", "(psycopg2.OperationalError) server closed the connection unexpectedly"),
)

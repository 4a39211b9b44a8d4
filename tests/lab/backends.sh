# backends.sh, sourced by site.sh: the servers of others that Postfix leans on, Debian's packages, really started.
#
#   mariadb_up, postgres_up, ldap_up   a database with the domain shop.example: jan, info, alias chair -> jan
#   sql_tables TYPE [HOST]             /etc/postfix/sql/{domains,mailboxes,aliases}.cf for mysql or pgsql
#   sqlite_tables, ldap_tables         the same for the others
#   shop_domain [PREFIX:]TYPE          shop.example is a virtual mailbox domain of these tables, delivered by virtual(8)
#   dovecot_up                         auth socket and LMTP socket below the queue directory; the users of shop.example
#   opendkim_up, postgrey_up, amavis_up
# Each is as its package sets it up, but for what a README of Postfix tells administrators to change.

SHOP_MAIL=/srv/mail

shop_users() {
  grep -q ^vmail: /etc/passwd || { echo 'vmail:x:5000:5000::/srv/mail:/usr/sbin/nologin' >>/etc/passwd; echo 'vmail:x:5000:' >>/etc/group; }
  install -d -o 5000 -g 5000 $SHOP_MAIL
}

# --- databases --------------------------------------------------------------------------------------------------

shop_schema() { # the words that all SQL databases know
  cat <<-'END'
	CREATE TABLE domain (name VARCHAR(80) PRIMARY KEY);
	CREATE TABLE mailbox (address VARCHAR(80) PRIMARY KEY, path VARCHAR(80));
	CREATE TABLE alias (address VARCHAR(80) PRIMARY KEY, goto VARCHAR(80));
	INSERT INTO domain VALUES ('shop.example');
	INSERT INTO mailbox VALUES ('jan@shop.example', 'shop/jan/');
	INSERT INTO mailbox VALUES ('info@shop.example', 'shop/info/');
	INSERT INTO alias VALUES ('chair@shop.example', 'jan@shop.example');
	END
}

mariadb_start() {
  install -d -o mysql -g mysql /run/mysqld
  aside mariadbd --user=mysql
  until_true 10 mysqladmin --silent ping
}
mariadb_up() {
  # The package's own data would be copied into the box, 100 MB of log: a new, small one is made sooner.
  mkdir -p /var/lib/mysql; mount -t tmpfs -o mode=0755 mysql /var/lib/mysql; chown mysql:mysql /var/lib/mysql
  printf '[mysqld]\ninnodb_log_file_size=4M\ninnodb_buffer_pool_size=8M\nperformance_schema=off\n' >/etc/mysql/mariadb.conf.d/90-small.cnf
  mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=socket >/dev/null 2>&1
  mariadb_start
  { echo "CREATE DATABASE mail; USE mail;"; shop_schema
    for host in localhost 127.0.0.1; do echo "CREATE USER mailreader@$host IDENTIFIED BY 'sesame'; GRANT SELECT ON mail.* TO mailreader@$host;"; done
  } | mysql
}
mariadb_stop() { mysqladmin shutdown; }

pg() { (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups "$@" </dev/null); }
PG_VERSION=$(ls /usr/lib/postgresql 2>/dev/null | sort -n | tail -n 1)
pg_control() {
  pg "/usr/lib/postgresql/$PG_VERSION/bin/pg_ctl" -w -s -D "/var/lib/postgresql/$PG_VERSION/main" "$@" >/dev/null 2>&1
}
postgres_start() {
  install -d -o postgres -g postgres -m 2775 /run/postgresql
  pg_control -o "-c config_file=/etc/postgresql/$PG_VERSION/main/postgresql.conf -c fsync=off" -l "/var/log/postgresql/postgresql-$PG_VERSION-main.log" start
}
postgres_stop() { pg_control -m immediate stop; }
postgres_up() {
  postgres_start
  { echo "CREATE USER mailreader PASSWORD 'sesame';"; echo "CREATE DATABASE mail;"; echo '\c mail'; shop_schema
    echo "GRANT SELECT ON ALL TABLES IN SCHEMA public TO mailreader;"; } >/tmp/shop.sql
  chmod 644 /tmp/shop.sql; pg psql -q -f /tmp/shop.sql
}

sql_tables() { # sql_tables TYPE [HOST]
  local table query
  mkdir -p /etc/postfix/sql
  while read -r table query; do
    printf 'hosts = %s\nuser = mailreader\npassword = sesame\ndbname = mail\nquery = %s\n' "${2:-127.0.0.1}" "$query" >/etc/postfix/sql/$table.cf
  done <<-'END'
	domains SELECT 1 FROM domain WHERE name = '%s'
	mailboxes SELECT path FROM mailbox WHERE address = '%s'
	aliases SELECT goto FROM alias WHERE address = '%s'
	END
  chgrp -R postfix /etc/postfix/sql; chmod 750 /etc/postfix/sql; chmod 640 /etc/postfix/sql/*.cf
}

sqlite_tables() { # the database is /var/lib/mail/mail.sqlite
  local file
  mkdir -p /var/lib/mail; shop_schema | python3 -c 'import sqlite3, sys; sqlite3.connect("/var/lib/mail/mail.sqlite").executescript(sys.stdin.read())'
  sql_tables sqlite
  for file in /etc/postfix/sql/*.cf; do { echo 'dbpath = /var/lib/mail/mail.sqlite'; grep ^query $file; } >/tmp/cf; cat /tmp/cf >$file; done
}

ldap_up() { # dc=shop,dc=example; cn=reader may read, with the password sesame
  install -d -o openldap -g openldap /run/slapd /var/lib/ldap-shop /etc/ldap/shop.d
  cat >/etc/ldap/shop.ldif <<-END
	dn: cn=config
	objectClass: olcGlobal
	cn: config
	olcPidFile: /run/slapd/slapd.pid

	dn: cn=schema,cn=config
	objectClass: olcSchemaConfig
	cn: schema

	dn: cn=module,cn=config
	objectClass: olcModuleList
	cn: module
	olcModulePath: /usr/lib/ldap
	olcModuleLoad: back_mdb

	include: file:///etc/ldap/schema/core.ldif
	include: file:///etc/ldap/schema/cosine.ldif
	include: file:///etc/ldap/schema/inetorgperson.ldif

	dn: olcDatabase=mdb,cn=config
	objectClass: olcMdbConfig
	olcDatabase: mdb
	olcSuffix: dc=shop,dc=example
	olcDbDirectory: /var/lib/ldap-shop
	olcDbMaxSize: 10485760
	olcDbIndex: mail eq
	olcAccess: to attrs=userPassword by anonymous auth by * none
	olcAccess: to * by users read by anonymous auth by * none
	END
  cat >/etc/ldap/people.ldif <<-END
	dn: dc=shop,dc=example
	objectClass: domain
	dc: shop

	dn: ou=people,dc=shop,dc=example
	objectClass: organizationalUnit
	ou: people

	dn: cn=reader,dc=shop,dc=example
	objectClass: person
	cn: reader
	sn: reader
	userPassword: sesame

	dn: uid=jan,ou=people,dc=shop,dc=example
	objectClass: inetOrgPerson
	uid: jan
	cn: jan
	sn: jan
	mail: jan@shop.example
	labeledURI: shop/jan/

	dn: uid=info,ou=people,dc=shop,dc=example
	objectClass: inetOrgPerson
	uid: info
	cn: info
	sn: info
	mail: info@shop.example
	labeledURI: shop/info/
	END
  slapadd -n 0 -F /etc/ldap/shop.d -l /etc/ldap/shop.ldif; slapadd -n 1 -F /etc/ldap/shop.d -l /etc/ldap/people.ldif
  chown -R openldap:openldap /etc/ldap/shop.d /var/lib/ldap-shop
  ldap_start
}
ldap_start() { slapd -h 'ldap://127.0.0.1/ ldapi:///' -u openldap -g openldap -F /etc/ldap/shop.d; until_true 5 listens 389; }
ldap_stop() { kill "$(cat /run/slapd/slapd.pid)"; until_true 5 ldap_gone; }
ldap_gone() { ! listens 389; }
ldap_tables() {
  local table query
  mkdir -p /etc/postfix/sql; rm -f /etc/postfix/sql/*
  while read -r table query; do
    printf '%s\n' 'server_host = ldap://127.0.0.1' 'version = 3' 'bind = yes' 'bind_dn = cn=reader,dc=shop,dc=example' 'bind_pw = sesame' \
      'search_base = ou=people,dc=shop,dc=example' "query_filter = $query" >/etc/postfix/sql/$table.cf
  done <<-'END'
	mailboxes (mail=%s)
	END
  echo 'result_attribute = labeledURI' >>/etc/postfix/sql/mailboxes.cf
  chgrp -R postfix /etc/postfix/sql; chmod 750 /etc/postfix/sql; chmod 640 /etc/postfix/sql/*.cf
}

shop_domain() { # shop_domain TYPE: mysql, proxy:mysql, ...
  local d=/etc/postfix/sql
  shop_users
  postconf virtual_mailbox_domains=shop.example virtual_mailbox_maps=$1:$d/mailboxes.cf virtual_mailbox_base=$SHOP_MAIL virtual_uid_maps=static:5000 virtual_gid_maps=static:5000
  [ ! -e $d/domains.cf ] || postconf virtual_mailbox_domains=$1:$d/domains.cf
  [ ! -e $d/aliases.cf ] || postconf virtual_alias_maps=$1:$d/aliases.cf
  postfix_reload
}

# --- dovecot ----------------------------------------------------------------------------------------------------

dovecot_start() { dovecot; until_true 5 test -S $JAIL/private/auth; }
dovecot_stop() { doveadm stop; until_true 5 dovecot_gone; }
dovecot_gone() { [ ! -e /run/dovecot/master.pid ]; }
dovecot_up() { # users jan, info @shop.example and ada, ben @corp.example; password: open sesame
  shop_users
  for user in jan@shop.example info@shop.example ada@corp.example ben@corp.example; do
    echo "$user:{PLAIN}open sesame:5000:5000::$SHOP_MAIL/${user#*@}/${user%@*}::"
  done >/etc/dovecot/users
  chown root:dovecot /etc/dovecot/users; chmod 640 /etc/dovecot/users
  # What SASL_README tells, in a file beside the package's own.
  sed -i 's/^!include auth-system/#&/' /etc/dovecot/conf.d/10-auth.conf
  cat >/etc/dovecot/local.conf <<-END
	auth_mechanisms = plain login
	mail_location = maildir:~/Maildir
	ssl = no
	disable_plaintext_auth = no
	passdb {
	  driver = passwd-file
	  args = /etc/dovecot/users
	}
	userdb {
	  driver = passwd-file
	  args = /etc/dovecot/users
	}
	service auth {
	  unix_listener $JAIL/private/auth {
	    mode = 0660
	    user = postfix
	    group = postfix
	  }
	}
	service lmtp {
	  unix_listener $JAIL/private/dovecot-lmtp {
	    mode = 0600
	    user = postfix
	    group = postfix
	  }
	}
	END
  dovecot_start
}
dovecot_login() { postconf smtpd_sasl_type=dovecot smtpd_sasl_path=private/auth; postfix_reload; } # Postfix asks Dovecot for logins
dovecot_delivery() { postconf virtual_mailbox_domains=shop.example virtual_transport=lmtp:unix:private/dovecot-lmtp; postfix_reload; }
login_jan() { mail_in -s 192.0.2.10:587 -S -u "jan@shop.example:open sesame" -f jan@shop.example -t eva@partner.example "$@"; }

# --- filters ----------------------------------------------------------------------------------------------------

opendkim_stop() { kill "$(cat /run/opendkim/opendkim.pid)"; until_true 5 opendkim_gone; }
opendkim_gone() { ! pgrep -x opendkim >/dev/null; }
opendkim_start() { install -d -o opendkim -g opendkim -m 750 /run/opendkim; opendkim -x /etc/opendkim.conf; sleep 0.2; }
opendkim_up() { # signs corp.example; its socket is in Postfix's jail, as Debian's README tells
  mkdir -p /etc/dkimkeys
  openssl genrsa -out /etc/dkimkeys/corp.private 1024 2>/dev/null; chown -R opendkim:opendkim /etc/dkimkeys; chmod 600 /etc/dkimkeys/corp.private
  sed -i '/^Socket/d; /^Nameservers/d' /etc/opendkim.conf
  printf 'corp corp.example:corp:/etc/dkimkeys/corp.private\n' >/etc/dkimkeys/keys; printf '*@corp.example corp\n' >/etc/dkimkeys/senders
  printf 'KeyTable /etc/dkimkeys/keys\nSigningTable refile:/etc/dkimkeys/senders\nSocket local:%s/opendkim/opendkim.sock\nInternalHosts 127.0.0.1,192.0.2.128/25\n' $JAIL >>/etc/opendkim.conf
  install -d -o opendkim -g postfix -m 750 $JAIL/opendkim
  sed -i 's/^opendkim:\(.*\):$/&postfix/' /etc/group
  opendkim_start
  postconf smtpd_milters=local:opendkim/opendkim.sock non_smtpd_milters=local:opendkim/opendkim.sock
  postfix_restart
}

postgrey_start() { postgrey --pidfile=/run/postgrey.pid --daemonize --inet="${1:-10023}" --delay="${2:-60}"; until_true 5 listens "${1:-10023}"; }
postgrey_up() {
  echo out.sender.example >/etc/postgrey/whitelist_clients.local
  postgrey_start "$@"
  postconf "smtpd_recipient_restrictions=permit_mynetworks, check_policy_service inet:127.0.0.1:${1:-10023}"; postfix_reload
}

amavis_up() { # a content filter after the queue, with the way back at 10025
  echo mail.corp.example >/etc/mailname
  printf 'use strict;\n$myhostname = "mail.corp.example";\n$max_servers = 1;\n@bypass_virus_checks_maps = (1);\n@bypass_spam_checks_maps = (1);\n$enable_db = 0;\n1;\n' >/etc/amavis/conf.d/60-lab
  amavis_start
  postconf content_filter=smtp-amavis:[127.0.0.1]:10024
  postconf -M 'smtp-amavis/unix=smtp-amavis unix - - y - 2 smtp -o smtp_data_done_timeout=1200 -o smtp_send_xforward_command=yes' \
    '127.0.0.1:10025/inet=127.0.0.1:10025 inet n - y - - smtpd -o content_filter= -o mynetworks=127.0.0.0/8 -o smtpd_recipient_restrictions=permit_mynetworks,reject -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks'
  postfix_reload
}
amavis_start() { install -d -o amavis -g amavis /run/amavis; amavisd start >/dev/null 2>&1; until_true 8 listens 10024; }

#!/bin/bash
# Runs one node of a RabbitMQ cluster of three with its MQTT plugin, from a Debian 13 root that
# `make test-fleet` creates. Needs root, for chroot.
# usage: rabbitmq.sh ROOT WORK NUMBER      NUMBER 1 to 3; MQTT on port 1883 of 127.0.0.NUMBER
set -euo pipefail
root=$(realpath "$1") work=$2 number=$3
node=$work/node$number
mkdir -p "$root$node"
cat > "$root$node/rabbitmq.conf" <<-EOF
	listeners.tcp.1 = 127.0.0.1:$((5670 + number))
	mqtt.listeners.tcp.1 = 127.0.0.$number:1883
	mqtt.allow_anonymous = true
	anonymous_login_user = guest
	anonymous_login_pass = guest
	mqtt.max_session_expiry_interval_seconds = 60
	cluster_name = fleet
	cluster_formation.peer_discovery_backend = classic_config
	cluster_formation.classic_config.nodes.1 = rabbit1@localhost
	cluster_formation.classic_config.nodes.2 = rabbit2@localhost
	cluster_formation.classic_config.nodes.3 = rabbit3@localhost
	cluster_formation.target_cluster_size_hint = 3
	log.console.level = warning
	log.file = false
	log.console = true
EOF
echo '[rabbitmq_mqtt].' > "$root$node/enabled_plugins"
export RABBITMQ_NODENAME=rabbit$number@localhost RABBITMQ_DIST_PORT=$((25670 + number)) RABBITMQ_CONFIG_FILE=$node/rabbitmq \
	RABBITMQ_MNESIA_BASE=$node/data RABBITMQ_LOG_BASE=$node/log RABBITMQ_ENABLED_PLUGINS_FILE=$node/enabled_plugins \
	RABBITMQ_PID_FILE=$node/pid ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-setcookie fleet +S 1:1 +sbwt none" \
	HOME=$node LC_ALL=C.UTF-8
exec unshare --mount -- sh -c 'mount -t proc proc "$0/proc" && mount -t devtmpfs dev "$0/dev" 2>/dev/null; exec chroot "$0" /usr/lib/rabbitmq/bin/rabbitmq-server' "$root"

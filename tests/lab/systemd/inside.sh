# inside.sh before | run COMMAND...: what runs in a machine before the boot, and after it. Variables: LAB, CASE, OUT, BARE.
. "$LAB/systemd/site.sh"
cd /root || exit 9
state() {
  echo "== failed units"; systemctl --no-pager --failed --no-legend
  echo "== $unit"; systemctl --no-pager --full status $unit
  echo "== postqueue -p"; timeout 10 postqueue -p 2>&1 | tail -n 20
  echo "== journal"; read_log | tail -n "${TAIL:-60}"
}
case $1 in
before)
  machine_off
  [ -n "$BARE" ] || [ ! -e "$CASE/before" ] || . "$CASE/before"
  exit ;;
run) shift ;;
esac
machine_on; settled
[ -n "$BARE" ] || [ ! -e "$CASE/inject" ] || . "$CASE/inject"
echo "== trigger"
. "$CASE/trigger"
sleep 0.6
journalctl --sync 2>/dev/null
read_log >"$OUT/mail.log"
echo "== command"
if [ "$1" = state ]; then state >"$OUT/stdout" 2>&1; exit; fi
timeout "${COMMAND_LIMIT:-60}" env -u CASE -u LAB -u BARE -u OUT "$@" >"$OUT/stdout" 2>"$OUT/stderr"
echo $? >"$OUT/status"

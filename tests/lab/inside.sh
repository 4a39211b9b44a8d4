# inside.sh COMMAND...: what runs in a box: the site, the case, then COMMAND. Variables: LAB, CASE, OUT, BARE.
. "$LAB/site.sh"
cd /root || exit 9
state() {
  echo "== postfix check"; postfix check 2>&1
  echo "== postconf -n"; postconf -n 2>&1
  echo "== postqueue -p"; timeout 10 postqueue -p 2>&1 | tail -n 30
  echo "== processes"; ps ax -o user,pid,args | grep -v -e ' ps ax' -e 'peers/'
  echo "== $LOG"; tail -n "${TAIL:-60}" $LOG
}
if [ -e "$CASE/setup" ]; then
  site_before
  . "$CASE/setup"
else
  site_up
  [ ! -e "$CASE/before" ] || . "$CASE/before"
  mail_in >/dev/null; mail_out eva@plain.example ben
  wait_log 'to=<ada@corp.example>.*status=sent'; wait_log 'plain.example>.*status=sent'
  [ -n "$BARE" ] || . "$CASE/inject"
fi
echo "== trigger"
. "$CASE/trigger"
sleep 0.6
cp $LOG "$OUT/mail.log"
echo "== command"
if [ -n "$BOX_KEEP_SHELL" ]; then exec bash -i; fi
if [ "$1" = state ]; then state >"$OUT/stdout"; exit; fi
timeout "${COMMAND_LIMIT:-60}" env -u CASE -u LAB -u BARE -u OUT "$@" >"$OUT/stdout" 2>"$OUT/stderr"
status=$?
echo $status >"$OUT/status"
exit 0

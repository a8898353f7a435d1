#!/usr/bin/env bash
# Brings the whole of docker-compose.yml up aside from any other, reads a feed as a client would, and takes it down again.
#   deploy/smoke.sh               needs Docker with Compose 2.24 or newer, curl, openssl and python3; leaves nothing behind
#   deploy/smoke.sh --check URL   only reads the feeds of a platform that runs at URL
# Prints one line per check and PASS or FAIL; exit status 0 or 1. Every wait has an end (SMOKE_WAIT seconds, default 300).
set -euo pipefail
cd "$(dirname "$0")/.."
WAIT=${SMOKE_WAIT:-300}

check() { # URL: crawl every feed from its root and hold what the pages promise against what they do
  python3 - "$1" "$WAIT" <<'PYTHON'
import gzip, json, sys, time, urllib.error, urllib.request

BASE, DEADLINE = sys.argv[1].rstrip("/"), time.monotonic() + int(sys.argv[2])
FAILED = []


def get(address, **headers):
    request = urllib.request.Request(address, headers={"Accept": "application/ld+json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


def hold(name, truth, detail=""):
    print(f"{'ok  ' if truth else 'FAIL'} {name}{f' ({detail})' if detail else ''}", flush=True)
    if not truth:
        FAILED.append(name)


def listed(value):
    return value if isinstance(value, list) else [value]


def crawl(root):
    """Follow every relation from the root once; return pages by address and the addresses of members."""
    pages, members, waiting = {}, [], [root]
    while waiting:
        address = waiting.pop()
        if address in pages:
            continue
        status, headers, body = get(address)
        if status != 200:
            hold(f"GET {address}", False, str(status))
            continue
        pages[address] = headers
        found = json.loads(body)
        waiting += [relation["node"] for relation in relations(found)]
        members += [member["@id"] for member in listed(found.get("member", []))]
    return pages, members


def relations(value):
    """Find all that has a `node`, wherever the page keeps its relations."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "relation":
                yield from (relation for relation in listed(inner) if "node" in relation)
            elif key not in ("@context", "member"):
                yield from relations(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from relations(inner)


def streams():
    """Name the streams that the catalogue offers."""
    _, _, body = get(f"{BASE}/", Accept="application/n-triples")
    words = {word.strip("<>") for word in body.decode().split()}
    names = {word.removeprefix(f"{BASE}/").split("/")[0].split("#")[0] for word in words if word.startswith(f"{BASE}/")}
    return sorted(name for name in names if name and get(f"{BASE}/{name}/log")[0] == 200)


def final_page(roots):
    """Wait until a page of members is final."""
    while time.monotonic() < DEADLINE:
        for root in roots:
            for address, headers in crawl(root)[0].items():
                if "immutable" in headers.get("cache-control", "") and "/log/0/" in address:
                    return address
        time.sleep(3)
    return None


names = streams()
hold("the catalogue offers streams", bool(names), ", ".join(names))
roots = [f"{BASE}/{name}/log" for name in names]
final = final_page(roots)
hold("a page became final in time", final is not None, final or "")
for root in roots:
    pages, members = crawl(root)
    hold(f"{root} is complete and nothing is there twice", members and len(members) == len(set(members)),
         f"{len(members)} members on {len(pages)} pages")
    hold(f"{root} names itself and its pages by the public address",
         all(address.startswith(f"{BASE}/") for address in [*pages, *members]))
if final:
    get(final)
    status, headers, body = get(final)
    hold("a final page comes from nginx", headers.get("x-cache") == "HIT", headers.get("x-cache", "no X-Cache"))
    status, _, rest = get(final, **{"If-None-Match": headers.get("etag", "")})
    hold("a final page that is known is not sent again", status == 304 and not rest, str(status))
    status, small, squeezed = get(final, **{"Accept-Encoding": "gzip"})
    hold("gzip carries the same page", small.get("content-encoding") == "gzip" and gzip.decompress(squeezed) == body,
         f"{len(body)} -> {len(squeezed)} bytes")
    hold("gzip has its own entity tag", small.get("etag") != headers.get("etag"))
for root in roots[:1]:
    status, headers, _ = get(root)
    hold("a root is never kept by nginx", "x-cache" not in headers and "immutable" not in headers["cache-control"])
hold("figures are not for the public", get(f"{BASE}/metrics")[0] == 404)
hold("browsers may read errors too", "access-control-allow-origin" in get(f"{BASE}/no-such-stream/log")[1])
sys.exit(bool(FAILED))
PYTHON
}

if [ "${1:-}" = --check ]; then
  check "${2:?which address?}" && echo PASS && exit 0
  echo FAIL
  exit 1
fi

WORK=$(mktemp -d)
PORT=${SMOKE_PORT:-18080}
{
  echo "SF_BASE_URL=http://127.0.0.1:$PORT"
  echo "PUBLIC_PORT=$PORT PROMETHEUS_PORT=$((PORT + 1)) GRAFANA_PORT=$((PORT + 2)) MQTT_PORT=$((PORT + 3))" | tr ' ' '\n'
  for name in POSTGRES GRAFANA MQTT; do echo "${name}_PASSWORD=$(openssl rand -hex 24)"; done
} > "$WORK/env"
compose() { timeout "${LIMIT:-120}" docker compose --project-name smartflanders-smoke --env-file "$WORK/env" "$@"; }

STATUS=1
finish() {
  if [ "$STATUS" != 0 ]; then
    compose ps --all || true
    compose logs --tail 30 || true
  fi
  compose down --volumes --timeout 30 || true
  rm -rf "$WORK"
  if [ "$STATUS" = 0 ]; then echo PASS; else echo FAIL; fi
}
trap finish EXIT

answers() { curl --silent --fail --max-time 5 --output /dev/null "$1"; }
within() { # SECONDS WHAT COMMAND...: try once a second
  local seconds=$1 what=$2 end
  shift 2
  end=$((SECONDS + seconds))
  until "$@"; do
    if [ "$SECONDS" -ge "$end" ]; then echo "FAIL $what: not within $seconds s"; return 1; fi
    sleep 1
  done
  echo "ok   $what"
}
all_targets_up() { # every role is asked by Prometheus and answers
  curl --silent --fail --max-time 5 "http://127.0.0.1:$((PORT + 1))/api/v1/query?query=count(up==1)" | grep -q '"5"\]'
}

LIMIT=1800 compose up --detach --build
within "$WAIT" "nginx and serve answer" answers "http://127.0.0.1:$PORT/readyz"
check "http://127.0.0.1:$PORT"
within "$WAIT" "Prometheus sees collect, normalise, write and two of serve" all_targets_up
within 60 "Grafana answers" answers "http://127.0.0.1:$((PORT + 2))/api/health"

# One of the two replicas dies without a word: nobody outside may notice.
docker kill "$(compose ps --quiet serve | head -n 1)" > /dev/null
for _ in $(seq 50); do
  answers "http://127.0.0.1:$PORT/readyz" || { echo "FAIL a dead replica was noticed"; exit 1; }
done
echo "ok   a dead replica is not noticed"

# A killed role goes on where it was and doubles nothing. (Docker restarts what died, not what `docker kill` ended.)
compose kill --signal SIGKILL write > /dev/null
compose up --detach --no-build write > /dev/null
check "http://127.0.0.1:$PORT"
STATUS=0

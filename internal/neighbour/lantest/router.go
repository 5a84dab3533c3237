package lantest

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Router is a machine with a namespace of its own, which forwards, and one
// behind it.
type Router struct {
	lan          *LAN
	name, behind string
	far          netip.Addr // of the machine behind it
}

// Router plugs in a router. Its addresses outside and inside, and that of the
// machine behind it, come with lengths of prefixes, such as 10.0.0.254/24.
func (w *Wire) Router(mac pxepilot.MAC, outside, inside, behind string) *Router {
	w.lan.tb.Helper()
	r := &Router{
		lan:  w.lan,
		name: fmt.Sprintf("%s-router%d", w.lan.name, w.machines), behind: fmt.Sprintf("%s-behind%d", w.lan.name, w.machines),
		far: netip.MustParsePrefix(behind).Addr(),
	}
	w.machines++
	w.lan.tb.Cleanup(func() { w.lan.ip("netns del " + r.name + "\nnetns del " + r.behind) })
	w.lan.ip(fmt.Sprintf("netns add %s\nnetns add %s", r.name, r.behind))
	w.lan.set(r.name, "ipv4/ip_forward=1")
	w.lan.ip(fmt.Sprintf(`-n %[1]s link add link %[2]s name moving address %[3]s type macvlan mode bridge
-n %[1]s link set moving netns %[4]s name outside
-n %[4]s addr add %[5]s dev outside
-n %[4]s link set outside up
-n %[4]s link add inside type veth peer name eth0 netns %[6]s
-n %[4]s addr add %[7]s dev inside
-n %[4]s link set inside up
-n %[6]s addr add %[8]s dev eth0
-n %[6]s link set eth0 up
-n %[6]s route add default via %[9]s`, w.lan.far(), w.Far, mac, r.name, outside, r.behind, inside, behind, netip.MustParsePrefix(inside).Addr()))
	return r
}

// Translate has the router hide who is behind it. It needs the program nft.
func (r *Router) Translate() {
	r.lan.tb.Helper()
	rules := "table ip nat { chain post { type nat hook postrouting priority 100; oifname outside masquerade; }; }"
	var out []byte
	var err error
	r.lan.in(r.name, func() { out, err = exec.CommandContext(r.lan.tb.Context(), "nft", rules).CombinedOutput() })
	if err != nil {
		r.lan.tb.Fatalf("nft: %v: %s", err, out)
	}
}

// Dial connects the router itself, from its address outside.
func (r *Router) Dial(from, to string) net.Conn { return r.dial(r.name, "outside", from, to) }

// DialBehind connects the machine behind it.
func (r *Router) DialBehind(to string) net.Conn { return r.dial(r.behind, "eth0", r.far.String(), to) }

func (r *Router) dial(namespace, device, from, to string) (conn net.Conn) {
	r.lan.tb.Helper()
	var err error
	r.lan.in(namespace, func() { conn, err = dial(r.lan.tb, device, from, to) })
	if err != nil {
		r.lan.tb.Fatal(err)
	}
	return conn
}

package neighbour

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour/lantest"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// Whoever asks from here is nobody.
func TestWhoIsHere(t *testing.T) {
	t.Parallel()
	l := lan(t)
	l.Wire("10.0.0.1/24", "fd00::1/64", linkLocalNear+"/64")
	d := newDesk(t, l, ":80")
	for _, to := range []string{"127.0.0.1:80", "127.9.9.9:80", "10.0.0.1:80", "[::1]:80", "[fd00::1]:80", "[fe80::1%near0]:80"} {
		for _, p := range privileges {
			l.Dial("", to)
			refuses(t, l, p, d.note(), Itself, "this machine itself")
		}
	}
	// From another address of ours, and by TLS, which is looked through.
	l.IP("addr add 10.0.0.2/24 dev near0")
	l.Dial("10.0.0.2", "10.0.0.1:80")
	d.listener = tls.NewListener(d.listener, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return nil, errors.New("none")
	}})
	refuses(t, l, lantest.None, d.note(), Itself, "this machine itself (10.0.0.2)")
	one, two := net.Pipe()
	t.Cleanup(func() { _, _ = one.Close(), two.Close() })
	refuses(t, l, lantest.None, Note(one), NoNetwork, "did not come over a TCP connection")
}

func either[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

// Nobody behind a router is known, and the router is not taken for it.
func TestWhoIsBehindARouter(t *testing.T) {
	t.Parallel()
	for _, contained := range []bool{false, true} {
		l := lan(t)
		w := l.Wire()
		device := "near0"
		if !contained { // not an interface that containers have
			device = "bridge"
			l.IP("link add bridge type bridge")
			l.IP("link set near0 master bridge")
			l.IP("link set bridge up")
		}
		l.IP("addr add 10.0.0.1/24 dev " + device)
		r := w.Router(macB, "10.0.0.254/24", "10.1.0.1/24", "10.1.0.5/24")
		d := newDesk(t, l, ":80")
		for _, p := range privileges {
			r.Dial("10.0.0.254", "10.0.0.1:80")
			knows(t, l, p, d.note(), macB)
		}
		l.IP("route add default via 10.0.0.254")
		for _, p := range privileges {
			r.DialBehind("10.0.0.1:80")
			c := d.note()
			if c.Hops != 63 || c.Opener != macB {
				t.Errorf("got %+v", c)
			}
			refuses(t, l, p, c, either(contained, Contained, Routed), either(contained, "host networking", "10.0.0.254"), "10.1.0.5")
			r.Dial("10.0.0.254", "10.0.0.1:80")
			refuses(t, l, p, d.note(), either(contained, Contained, Gateway), "10.0.0.254")
		}
		l.IP("route del default via 10.0.0.254")

		testenv.Need(t, "nft")
		r.Translate()
		for _, p := range privileges {
			r.DialBehind("10.0.0.1:80")
			c := d.note()
			if c.Remote.Addr() != netip.MustParseAddr("10.0.0.254") {
				t.Errorf("got %+v", c)
			}
			refuses(t, l, p, c, Forwarded, "10.0.0.254", "NAT")
		}
	}
}

// With two interfaces in one subnet the table of the one that was asked counts, or
// nobody is known.
func TestWhoIsAtWhichInterface(t *testing.T) {
	t.Parallel()
	l := lan(t)
	w := l.Wire("10.0.0.1/24")
	l.Set("ipv4/conf/all/arp_ignore=1", "ipv4/conf/all/arp_announce=2", "ipv4/conf/all/rp_filter=0", "ipv4/conf/near0/rp_filter=0")
	l.IP("link add link near0 name second type macvlan mode bridge")
	l.Set("ipv4/conf/second/rp_filter=0")
	l.IP("addr add 10.0.0.2/24 dev second")
	l.IP("link set second up")
	a := w.Machine(macA, "10.0.0.5")
	d := newDesk(t, l, ":80")
	for _, p := range privileges {
		c := d.noteOf(a, "10.0.0.5", "10.0.0.2:80")
		refuses(t, l, p, c, Crossed, "came in by the interface second", "10.0.0.5 leave by near0")
		knows(t, l, p, d.noteOf(a, "10.0.0.5", "10.0.0.1:80"), macA)
	}
	// Routes that tell both apart.
	l.IP("rule add from 10.0.0.2 table 100")
	l.IP("route add 10.0.0.0/24 dev second src 10.0.0.2 table 100")
	for _, p := range privileges {
		c := d.noteOf(a, "10.0.0.5", "10.0.0.2:80")
		l.IP("neigh replace 10.0.0.5 dev near0 lladdr " + macB.String() + " nud permanent")
		knows(t, l, p, c, macA)
		c.Interface = 0 // as if the kernel did not say
		knows(t, l, p, c, macA)
	}
}

// An interface that asks nobody for MAC addresses knows none.
func TestWhoHasNoMAC(t *testing.T) {
	t.Parallel()
	l := lan(t)
	a := l.Wire("10.0.0.1/24").Machine(macA, "10.0.0.5")
	d := newDesk(t, l, ":80")
	c := d.noteOf(a, "10.0.0.5", "10.0.0.1:80")
	l.IP("link set near0 arp off")
	refuses(t, l, lantest.None, c, NoMACs, "near0, which has no ARP")
	l.IP("link set near0 arp on")
	l.IP("link set near0 down")
	if _, err := who(t, l, lantest.None, c); pxepilot.ErrorCode(err) == pxepilot.Internal || err == nil {
		t.Errorf("got %v", err)
	}
}

package neighbour

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour/lantest"
)

// A desk is a server of the near namespace, to which machines connect.
type desk struct {
	t        *testing.T
	lan      *lantest.LAN
	listener net.Listener
}

func newDesk(t *testing.T, l *lantest.LAN, address string) *desk {
	t.Helper()
	return openDesk(t, l, func() (net.Listener, error) { return Listen(t.Context(), "tcp", address) })
}

func openDesk(t *testing.T, l *lantest.LAN, open func() (net.Listener, error)) *desk {
	t.Helper()
	d := &desk{t: t, lan: l}
	var err error
	l.Do(func() { d.listener, err = open() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.listener.Close() })
	return d
}

// note accepts a connection, and notes what is known of it.
func (d *desk) note() Connection {
	d.t.Helper()
	var c net.Conn
	var n Connection
	var err error
	d.lan.Do(func() {
		if c, err = d.listener.Accept(); err == nil {
			n = Note(c)
		}
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	return n
}

// sameMachine says that two cards are of one machine.
func sameMachine(a, b pxepilot.MAC) bool { return a[4] == 1 && b[4] == 1 && a[5] == b[5] }

// who asks who is at the other end.
func who(t *testing.T, l *lantest.LAN, p lantest.Privilege, c Connection) (mac pxepilot.MAC, err error) {
	t.Helper()
	l.DoAs(p, func() { mac, err = Who(t.Context(), c, sameMachine) })
	return mac, err
}

// knows wants a machine to be known.
func knows(t *testing.T, l *lantest.LAN, p lantest.Privilege, c Connection, want pxepilot.MAC) {
	t.Helper()
	if got, err := who(t, l, p, c); got != want || err != nil {
		t.Errorf("as %s: got %s, %v; want %s (%+v)", p, got, err, want, c)
	}
}

// refuses wants an error with a reason, and with words in its sentence.
func refuses(t *testing.T, l *lantest.LAN, p lantest.Privilege, c Connection, want Reason, words ...string) {
	t.Helper()
	got, err := who(t, l, p, c)
	var refused *AnonymousError
	if !errors.As(err, &refused) || refused.Reason != want || !got.IsZero() {
		t.Errorf("as %s: got %s, %v; want an error because %s (%+v)", p, got, err, want, c)
		return
	}
	text := pxepilot.ErrorMessage(err)
	for _, w := range append(words, "nobody can tell") {
		if !strings.Contains(text, w) || strings.Contains(text, "\n") {
			t.Errorf("got %q; want %q", text, w)
		}
	}
}

var privileges = []lantest.Privilege{lantest.Root, lantest.RawOnly, lantest.None}

const (
	linkLocalNear = "fe80::1"
	linkLocalA    = "fe80::a"
)

// Machines on the same LAN are known, over IPv4 and IPv6, however the server listens.
func TestWhoIsOnLink(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, listen, from, to string }{
		{"IPv4", "0.0.0.0:80", "10.0.0.5", "10.0.0.1:80"},
		{"IPv4 in IPv6", ":80", "10.0.0.5", "10.0.0.1:80"},
		{"one address", "10.0.0.1:80", "10.0.0.5", "10.0.0.1:80"},
		{"IPv6", ":80", "fd00::a", "[fd00::1]:80"},
		{"IPv6 alone", "[fd00::1]:80", "fd00::a", "[fd00::1]:80"},
		{"link-local", ":80", linkLocalA, "[fe80::1%far0.0]:80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := lan(t)
			w := l.Wire("10.0.0.1/24", "fd00::1/64", linkLocalNear+"/64")
			a := w.Machine(macA, "10.0.0.5", "fd00::a", linkLocalA)
			d := newDesk(t, l, tt.listen)
			for _, p := range privileges {
				a.Dial(tt.from, tt.to)
				c := d.note()
				if c.Remote.Addr().WithZone("") != netip.MustParseAddr(tt.from) || (c.Remote.Addr().Zone() != "") != (tt.name == "link-local") || c.Opener != macA || c.Hops != 64 || c.Interface == 0 || !c.Entry.IsZero() {
					t.Errorf("got %+v", c)
				}
				knows(t, l, p, c, macA)
			}
		})
	}
}

// What the kernel knew once may be another machine's by now.
func TestWhoWasThereBefore(t *testing.T) {
	t.Parallel()
	for _, p := range []lantest.Privilege{lantest.RawOnly, lantest.None} { // root is no better
		for _, tt := range []struct{ name, from, to string }{{"IPv4", "10.0.0.5", "10.0.0.1:80"}, {"IPv6", "fd00::5", "[fd00::1]:80"}} {
			t.Run(tt.name+" with "+p.String(), func(t *testing.T) {
				t.Parallel()
				wasThereBefore(t, p, tt.from, tt.to)
			})
		}
	}
}

func wasThereBefore(t *testing.T, p lantest.Privilege, from, to string) {
	t.Helper()
	l := lan(t)
	w := l.Wire("10.0.0.1/24", "fd00::1/64")
	hurry(l)
	a, b := w.Machine(macA, from), w.Machine(macB)
	d := newDesk(t, l, ":80")
	old := d.noteOf(a, from, to)
	remember := func(mac pxepilot.MAC, state string) {
		l.IP("neigh replace " + from + " dev near0 lladdr " + mac.String() + " nud " + state)
	}
	forget := func() {
		remember(macC, "permanent") // or there may be nothing to forget
		l.IP("neigh del " + from + " dev near0")
	}
	for _, state := range []string{"stale", "delay", "probe", "permanent", "noarp"} {
		remember(macA, state)
		knows(t, l, p, old, macA)
	}
	forget()
	knows(t, l, p, old, macA)
	forget()                // or what was confirmed of it stays
	remember(macC, "stale") // who is not there
	knows(t, l, p, old, macA)
	for _, state := range []string{"permanent", "noarp"} {
		remember(macC, state)
		refuses(t, l, p, old, Contested, macA.String(), macC.String())
	}
	forget()

	// Another machine gets the address.
	a.Move()
	b.Move(from)
	last := d.noteOf(b, from, to)
	knows(t, l, p, last, macB)
	refuses(t, l, p, old, Contested, from, macA.String(), macB.String())

	// And then nobody has it.
	b.Move()
	remember(macB, "failed")
	refuses(t, l, p, last, Silent, "near0", from)
	forget()
	refuses(t, l, p, last, Silent, "near0", from)
}

// noteOf connects a machine, and notes what is known of that.
func (d *desk) noteOf(m *lantest.Machine, from, to string) Connection {
	d.t.Helper()
	m.Dial(from, to)
	return d.note()
}

// hurry has the near kernel ask again without much waiting.
func hurry(l *lantest.LAN) {
	for _, version := range []string{"ipv4", "ipv6"} {
		l.Set(version+"/neigh/near0/delay_first_probe_time=1", version+"/neigh/near0/retrans_time_ms=300")
	}
}

// A machine that takes the address of another over is known as itself. When the
// table leads to the other one again, it is not taken for it.
func TestWhoTookAnAddressOver(t *testing.T) {
	t.Parallel()
	for _, p := range []lantest.Privilege{lantest.RawOnly, lantest.None} {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			l := lan(t)
			w := l.Wire("10.0.0.1/24")
			hurry(l)
			a, b := w.Machine(macA, "10.0.0.5"), w.Machine(macB, "10.0.0.6")
			d := newDesk(t, l, ":80")
			knows(t, l, p, d.noteOf(a, "10.0.0.5", "10.0.0.1:80"), macA)

			// The first one is not asked any more, and the second one says that it is it.
			a.Move()
			b.Move("10.0.0.5", "10.0.0.6")
			b.Send(gratuitous(macB, macB, "10.0.0.5"))
			c := d.noteOf(b, "10.0.0.5", "10.0.0.1:80")
			knows(t, l, p, c, macB)
			// As long as both have it, it is the one that connected or nobody.
			b.Move("10.0.0.6")
			a.Move("10.0.0.5")
			a.Send(gratuitous(macA, macA, "10.0.0.5"))
			refuses(t, l, p, c, Contested, "10.0.0.5", macA.String(), macB.String())
			// It says in the name of the first one where that is.
			b.Move("10.0.0.5", "10.0.0.6")
			a.Move()
			b.Send(gratuitous(macB, macB, "10.0.0.5"))
			c = d.noteOf(b, "10.0.0.5", "10.0.0.1:80")
			b.Move("10.0.0.6")
			a.Move("10.0.0.5")
			b.Send(gratuitous(macB, macA, "10.0.0.5"))
			refuses(t, l, p, c, Contested, "10.0.0.5", macA.String(), macB.String())
			// Its own address is still its own.
			knows(t, l, p, d.noteOf(b, "10.0.0.6", "10.0.0.1:80"), macB)
		})
	}
}

// gratuitous is an ARP request by which a machine says of an address that it is
// at a MAC address (RFC 5227 section 3).
func gratuitous(sender, claimed pxepilot.MAC, addr string) []byte {
	frame := newFrame(sender, netip.MustParseAddr(addr))
	copy(frame[atSenderMAC:], claimed[:])
	aim(frame, toUint(netip.MustParseAddr(addr)))
	return frame
}

// A machine may speak with one card and be answered at another. Two machines may
// have the same address, and then it is the one that speaks or nobody.
func TestWhoHasSeveralCards(t *testing.T) {
	t.Parallel()
	one, other := mac("02:00:00:01:01:0a"), mac("02:00:00:02:01:0a")
	for _, tt := range []struct {
		second pxepilot.MAC
		same   bool
	}{{other, true}, {macB, false}} {
		l := lan(t)
		w := l.Wire("10.0.0.1/24", "fd00::1/64")
		a := w.Machine(one, "10.0.0.5", "fd00::5")
		w.Machine(tt.second, "10.0.0.5", "fd00::5")
		d := newDesk(t, l, ":80")
		for from, to := range map[string]string{"10.0.0.5": "10.0.0.1:80", "fd00::5": "[fd00::1]:80"} {
			l.IP("neigh replace " + from + " dev near0 lladdr " + one.String() + " nud permanent") // answers reach it
			c := d.noteOf(a, from, to)
			for _, p := range privileges {
				for _, state := range []string{"reachable", "stale"} {
					l.IP("neigh replace " + from + " dev near0 lladdr " + tt.second.String() + " nud " + state)
					if !tt.same {
						if p != lantest.None || state == "reachable" {
							refuses(t, l, p, c, Contested, from, one.String(), tt.second.String())
						}
						continue
					}
					if mac, err := who(t, l, p, c); err != nil || !sameMachine(mac, one) {
						t.Errorf("as %s, %s: got %s, %v", p, state, mac, err)
					}
				}
			}
		}
	}
}

// A machine that speaks by a bridge or a bond is known by its MAC address.
func TestWhoSpeaksByABridge(t *testing.T) {
	t.Parallel()
	l := lan(t)
	b := l.Wire("10.0.0.1/24").Bridge(macB, "10.0.0.5")
	d := newDesk(t, l, ":80")
	for _, p := range privileges {
		b.Dial("10.0.0.5", "10.0.0.1:80")
		knows(t, l, p, d.note(), macB)
	}
}

// Where the kernel did not keep the packet that opened the connection, what its
// table said then must be what it says now.
func TestWhoWithoutTheFirstPacket(t *testing.T) {
	t.Parallel()
	l := lan(t)
	a := l.Wire("10.0.0.1/24").Machine(macA, "10.0.0.5")
	hurry(l)
	d := openDesk(t, l, func() (net.Listener, error) { return (&net.ListenConfig{}).Listen(t.Context(), "tcp", ":80") })
	for _, p := range privileges {
		c := d.noteOf(a, "10.0.0.5", "10.0.0.1:80")
		if !c.Opener.IsZero() || c.Hops != 0 || c.Entry != macA || c.Interface == 0 {
			t.Errorf("got %+v", c)
		}
		l.IP("neigh replace 10.0.0.5 dev near0 lladdr " + macA.String() + " nud stale")
		knows(t, l, p, c, macA)
		l.IP("neigh replace 10.0.0.5 dev near0 lladdr " + macB.String() + " nud reachable")
		refuses(t, l, p, c, Contested, macA.String(), macB.String())
		l.IP("neigh del 10.0.0.5 dev near0")
	}
}

// Who asks ends with whoever wanted to know.
func TestWhoIsCancelled(t *testing.T) {
	t.Parallel()
	l := lan(t)
	a := l.Wire("10.0.0.1/24").Machine(macA, "10.0.0.5")
	d := newDesk(t, l, ":80")
	c := d.noteOf(a, "10.0.0.5", "10.0.0.1:80")
	a.Unplug()
	l.IP("neigh del 10.0.0.5 dev near0")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var err error
	l.Do(func() { _, err = Who(ctx, c, sameMachine) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

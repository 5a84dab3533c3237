package neighbour

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// Who tells the MAC address of the machine at the other end of a connection. It
// says nothing of who that is, and it fails with an AnonymousError where nobody can tell.
//
// Two things must agree: whose frame opened the connection, and to whom this
// machine sends its answers, by the kernel's neighbour table.
//
// The handshake of TCP proves that somebody got the answer that was sent to the
// MAC address of the table, and nothing else. A machine that takes over the
// address of another (by an ARP request or a gratuitous one, RFC 5227) is in the
// table at once, as itself: that is no threat. But who lets the table lead to
// the other one again, once it has its connection, would be taken for it; and so
// would who overhears what is sent to a machine that is off, since the kernel takes
// TCP that goes on for a sign of life of whomever the table names. Such a machine
// did not open the connection by a frame from the other's MAC address. One that
// forges that as well cannot be told from it, by ARP no more than by this: only
// the ports of a switch can.
func Who(ctx context.Context, c Connection) (pxepilot.MAC, error) {
	remote := c.Remote.Addr()
	switch {
	case !remote.IsValid():
		return pxepilot.MAC{}, refuse(NoNetwork, "the request did not come over a TCP connection of its own, so that nobody can tell which machine asked; name the host in the URL")
	case remote.IsLoopback() || remote.IsUnspecified() || remote.WithZone("") == c.Local.Addr().WithZone(""):
		return pxepilot.MAC{}, itself(remote)
	}
	w, err := wayTo(c)
	if err != nil {
		return pxepilot.MAC{}, err
	}
	if err := w.straight(c); err != nil {
		return pxepilot.MAC{}, err
	}
	mac, err := w.resolve(ctx, c)
	switch {
	case err != nil:
		return pxepilot.MAC{}, err
	case mac == w.link.mac:
		return pxepilot.MAC{}, itself(remote)
	case !c.Opener.IsZero() && c.Opener != mac, !c.Entry.IsZero() && c.Entry != mac:
		opener := c.Opener
		if opener.IsZero() {
			opener = c.Entry
		}
		return pxepilot.MAC{}, refuse(Contested, "two machines claim the address %s (%s opened the connection, and answers go to %s), "+
			"so that nobody can tell which of them asked; give each an address of its own", remote, opener, mac)
	}
	return mac, nil
}

func itself(remote netip.Addr) error {
	return refuse(Itself, "the request came from this machine itself (%s), or from a proxy on it, so that nobody can tell which machine asked; name the host in the URL", remote)
}

// A way is how answers get to the other end of a connection.
type way struct {
	link    link
	veth    bool       // the interface is a container's end of a cable
	gateway netip.Addr // valid: not on-link
	source  netip.Addr // to ask from
}

// wayTo looks up how this machine answers a connection: as the kernel does, by
// both addresses, for policies may route by ours.
func wayTo(c Connection) (way, error) {
	remote := c.Remote.Addr()
	w, index := way{source: c.Local.Addr()}, c.Interface
	if remote.Zone() != "" { // on-link at that interface, which no route says (RFC 4007 section 6)
		zone, err := netlink.LinkByName(remote.Zone())
		if err != nil {
			return w, unreadable("interface of a connection", err)
		}
		index = zone.Attrs().Index
	} else {
		routes, err := netlink.RouteGetWithOptions(remote.AsSlice(), &netlink.RouteGetOptions{SrcAddr: c.Local.Addr().AsSlice()})
		if err != nil || len(routes) != 1 {
			return w, unreadable("route to "+remote.String(), errors.Join(err, errCount(len(routes))))
		}
		r := routes[0]
		if r.Type == unix.RTN_LOCAL {
			return w, itself(remote)
		}
		if index == 0 {
			index = r.LinkIndex
		}
		if r.LinkIndex != index {
			return w, refuse(Crossed, "the request came in by the interface %s, but answers to %s leave by %s, so that nobody can tell which machine asked; "+
				"mend the routes of this machine, or name the host in the URL", nameOf(index), remote, nameOf(r.LinkIndex))
		}
		w.gateway = gatewayOf(r)
		if s := toIP(r.Src); s.IsValid() {
			w.source = s
		}
	}
	found, err := netlink.LinkByIndex(index)
	if err != nil {
		return w, unreadable("interface of a connection", err)
	}
	a := found.Attrs()
	w.link = link{index: a.Index, name: a.Name, unusable: unusable(a)}
	copy(w.link.mac[:], a.HardwareAddr)
	w.veth = found.Type() == "veth" && a.NetNsID >= 0
	return w, nil
}

func errCount(n int) error {
	if n == 1 {
		return nil
	}
	return fmt.Errorf("the kernel told %d", n)
}

func nameOf(index int) string {
	if l, err := netlink.LinkByIndex(index); err == nil {
		return l.Attrs().Name
	}
	return fmt.Sprint(index)
}

func gatewayOf(r netlink.Route) netip.Addr {
	if via, ok := r.Via.(*netlink.Via); ok { // of the other version of IP
		return toIP(via.Addr)
	}
	return toIP(r.Gw)
}

// straight refuses ways on which others speak for machines.
func (w *way) straight(c Connection) error {
	remote := c.Remote.Addr()
	ours := defaultGateway(remote)
	through := w.gateway
	if !through.IsValid() && remote.WithZone("") == ours {
		through = ours
	}
	switch {
	case w.veth && through.IsValid():
		// Docker and Podman send all that comes from outside through the other end, or
		// tell it as if it came from there.
		return refuse(Contained, "the request from %s came through the other end of this container's interface %s, so that nobody can tell which machine asked; "+
			"give the container host networking, or name the host in the URL", remote, w.link.name)
	case w.gateway.IsValid():
		return refuse(Routed, "the request from %s came through the router %s, so that nobody can tell which machine asked; name the host in the URL", remote, w.gateway)
	case through.IsValid():
		return refuse(Gateway, "the request came from the router %s, which may speak for others (NAT, or a proxy), so that nobody can tell which machine asked; name the host in the URL", remote)
	case detour(c.Hops):
		return refuse(Forwarded, "the request came through a router at %s (NAT: its packets could pass %d more, and no system begins with that), "+
			"so that nobody can tell which machine asked; name the host in the URL", remote, c.Hops)
	case w.link.unusable == "is this machine itself":
		return itself(remote)
	case w.link.unusable != "":
		return refuse(NoMACs, "the request from %s came by the interface %s, which %s, so that nobody can tell which machine asked; name the host in the URL",
			remote, w.link.name, w.link.unusable)
	}
	return nil
}

// defaultGateway is the router that this machine sends all else to: what is meant
// for an address that nobody has (RFC 5737, RFC 3849).
func defaultGateway(like netip.Addr) netip.Addr {
	nobody := netip.MustParseAddr("192.0.2.1")
	if like.Is6() {
		nobody = netip.MustParseAddr("2001:db8::1")
	}
	routes, err := netlink.RouteGet(nobody.AsSlice())
	if err != nil || len(routes) != 1 {
		return netip.Addr{}
	}
	return gatewayOf(routes[0])
}

// detour says whether a packet has passed a router: systems begin with one of few
// times to live. Zero is one that is not known.
func detour(hops int) bool {
	switch hops {
	case 0, 32, 64, 128, 255:
		return false
	}
	return true
}

const (
	// How long the kernel's table is watched for an answer. Machines answer our own
	// question within milliseconds; it is repeated each second, since the kernel
	// believes nobody who contradicts what it learnt within one (locktime of arp(7)).
	longestAsked = 3 * time.Second
	askAgain     = time.Second

	shortestLook = time.Millisecond
	longestLook  = 50 * time.Millisecond
)

// resolve finds the MAC address of the other end in the kernel's table. Entries
// that somebody made by hand (PERMANENT), or a routing daemon (NOARP), count as they
// are, and so do those that were confirmed lately (REACHABLE). For others it asks,
// and looks until the kernel knows better.
//
// The kernel asks at once for whom it does not know, but for whom it knew five
// seconds late (delay_first_probe_time of arp(7)), and not at all where TCP goes on
// meanwhile. Where we may we therefore ask ourselves. Where we may not, the frame
// that opened the connection is the answer: it came from the machine that an answer
// would come from, and later than the entry was confirmed.
func (w *way) resolve(ctx context.Context, c Connection) (pxepilot.MAC, error) {
	const (
		sure   = netlink.NUD_REACHABLE | netlink.NUD_PERMANENT | netlink.NUD_NOARP
		unsure = netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE
	)
	remote, longest := c.Remote.Addr(), longestAsked
	began, next := time.Now(), time.Time{}
	for look := shortestLook; ; look = min(2*look, longestLook) {
		e, err := entryAt(w.link.index, remote)
		now := time.Now()
		switch {
		case err != nil:
			return pxepilot.MAC{}, err
		case e.state&sure != 0 && isMachine(e.mac):
			return e.mac, nil
		case e.state&netlink.NUD_FAILED != 0, now.Sub(began) > longest:
			return pxepilot.MAC{}, refuse(Silent, "nobody at the interface %s answers for %s any longer, so that nobody can tell which machine asked; "+
				"try again, or name the host in the URL", w.link.name, remote)
		}
		if now.After(next) {
			next = now.Add(askAgain)
			may, err := w.ask(remote)
			switch {
			case err != nil:
				return pxepilot.MAC{}, err
			case !may && e.state&unsure != 0 && e.mac == c.Opener:
				return e.mac, nil
			case !may:
				longest = longestKernel
			}
			if err := w.nudge(ctx, remote); err != nil {
				return pxepilot.MAC{}, err
			}
		}
		if err := pause(ctx, look); err != nil {
			return pxepilot.MAC{}, err
		}
	}
}

// isMachine says whether one machine alone can have the address.
func isMachine(m pxepilot.MAC) bool {
	const group = 1 // IEEE 802
	return !m.IsZero() && m[0]&group == 0
}

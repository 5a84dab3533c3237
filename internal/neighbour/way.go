package neighbour

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// A way is how answers get to the other end of a connection.
type way struct {
	link    link
	cable   bool       // whose other end is in another network namespace, as containers have it
	gateway netip.Addr // valid: not on-link
	remote  netip.Addr // zones are numbers: the names of interfaces are remembered longer than they last
	source  netip.Addr // to ask from
}

// wayTo finds how this machine answers a connection: as the kernel does, by both
// addresses, for ours may decide as well (ip-rule(8)).
func wayTo(c Connection) (*way, error) {
	w := &way{remote: c.Remote.Addr().WithZone(""), source: c.Local.Addr().WithZone("")}
	index := c.Interface
	// A link-local address of IPv6 is on-link where it came in, and no route says
	// where that is (RFC 4007 section 6).
	if !w.remote.Is6() || !w.remote.IsLinkLocalUnicast() {
		r, err := routeTo(w.remote, w.source)
		switch {
		case err != nil:
			return nil, err
		case r.Type == unix.RTN_LOCAL:
			return nil, itself(w.remote)
		case index == 0:
			index = r.LinkIndex
		case index != r.LinkIndex:
			return nil, refuse(Crossed, "mend the routes of this machine, or "+byName, "the request came in by the interface %s, but answers to %s leave by %s",
				nameOf(index), w.remote, nameOf(r.LinkIndex))
		}
		w.gateway = gatewayOf(r)
		if s := toIP(r.Src); s.IsValid() {
			w.source = s
		}
	}
	found, err := netlink.LinkByIndex(index)
	if err != nil {
		return nil, unreadable("interface "+strconv.Itoa(index), err)
	}
	a := found.Attrs()
	w.link = link{index: a.Index, name: a.Name, unusable: unusable(a)}
	copy(w.link.mac[:], a.HardwareAddr)
	w.cable = found.Type() == "veth" && a.NetNsID >= 0
	if w.remote.Is6() {
		zone := strconv.Itoa(index)
		w.remote, w.source = w.remote.WithZone(zone), w.source.WithZone(zone)
	}
	return w, nil
}

func routeTo(remote, source netip.Addr) (netlink.Route, error) {
	routes, err := netlink.RouteGetWithOptions(remote.AsSlice(), &netlink.RouteGetOptions{SrcAddr: source.AsSlice()})
	switch {
	case err == nil && len(routes) == 1:
		return routes[0], nil
	case err == nil:
		err = fmt.Errorf("%d routes to one address", len(routes))
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EACCES), errors.Is(err, unix.EINVAL):
		// No route, or one that is unreachable, prohibited or a blackhole (ip-route(8)).
		return netlink.Route{}, refuse(Crossed, "mend the routes of this machine, or "+byName, "this machine has no route to %s, from which the request came", remote)
	}
	return netlink.Route{}, unreadable("routes", err)
}

func nameOf(index int) string {
	if l, err := netlink.LinkByIndex(index); err == nil {
		return l.Attrs().Name
	}
	return strconv.Itoa(index)
}

func gatewayOf(r netlink.Route) netip.Addr {
	if via, ok := r.Via.(*netlink.Via); ok { // of the other version of IP
		return toIP(via.Addr)
	}
	return toIP(r.Gw)
}

// straight refuses ways on which others speak for machines.
func (w *way) straight(hops int) error {
	remote := w.remote.WithZone("")
	asker := w.gateway.IsValid() || remote == defaultGateway(remote)
	switch {
	case asker && w.cable:
		// What comes from outside comes through the other end of the cable, and may
		// be told as if it came from there.
		return refuse(Contained, "give the container host networking, or "+byName,
			"the request from %s came out of the network of this container (its interface %s)", remote, w.link.name)
	case w.gateway.IsValid():
		return refuse(Routed, byName, "the request from %s came through the router %s", remote, w.gateway)
	case asker:
		return refuse(Gateway, byName, "the request came from %s, which is this machine's router and may speak for others (by NAT, or as a proxy)", remote)
	case passedRouter(hops):
		return refuse(Forwarded, byName, "the request came through a router at %s that hides who is behind it (NAT: a time to live of %d is none that systems begin with)", remote, hops)
	case w.link.unusable != "":
		return refuse(NoMACs, byName, "the request from %s came in by the interface %s, which %s", remote, w.link.name, w.link.unusable)
	}
	return nil
}

// defaultGateway is the router to which this machine sends all that it has no
// better way for: such as for an address that nobody has (RFC 5737, RFC 3849).
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

// passedRouter says whether a packet has, by what is left of its time to live, of
// which each router takes one. Systems begin with one of these: Linux and iPXE with
// 64, Windows with 128, EDK II (HTTP_TTL_DEAULT) with 255. Zero is unknown.
func passedRouter(hops int) bool {
	switch hops {
	case 0, 32, 64, 128, 255:
		return false
	}
	return true
}

// itself refuses a connection from here.
func itself(remote netip.Addr) error {
	return refuse(Itself, byName, "the request came from this machine itself (%s), or by way of a proxy on it", remote)
}

// isMachine says whether one machine alone can have the address.
func isMachine(m pxepilot.MAC) bool {
	const group = 1 // IEEE 802: the bit of addresses that no one machine has
	return !m.IsZero() && m[0]&group == 0
}

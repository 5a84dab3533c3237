package neighbour

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Sighting is an address at which a MAC address was seen.
type Sighting struct {
	Addr netip.Addr
	Seen time.Time
}

// Lookup tells at which IPv4 addresses the kernel's neighbour table has a MAC
// address, the latest sighting first. It asks nobody, needs no privilege, and
// knows only whom this machine spoke with lately. An entry that the kernel gave
// up, or is still asking for, is none.
func Lookup(mac pxepilot.MAC) ([]Sighting, error) {
	all, err := LookupAll()
	return all[mac], err
}

// LookupAll is Lookup for every MAC address that the table has.
func LookupAll() (map[pxepilot.MAC][]Sighting, error) {
	entries, err := neighbours()
	if err != nil {
		return nil, err
	}
	const known = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT
	all := map[pxepilot.MAC][]Sighting{}
	for _, e := range entries {
		if e.state&known != 0 {
			all[e.mac] = append(all[e.mac], e.Sighting)
		}
	}
	for _, sightings := range all {
		slices.SortFunc(sightings, func(a, b Sighting) int {
			if c := b.Seen.Compare(a.Seen); c != 0 {
				return c
			}
			return a.Addr.Compare(b.Addr)
		})
	}
	return all, nil
}

// An entry is one of the kernel's table.
type entry struct {
	Sighting
	mac   pxepilot.MAC
	state int
}

// tick is the unit in which the kernel tells times (USER_HZ, time(7)); it is the
// same on all machines that Go runs on.
const tick = time.Second / 100

// neighbours reads the kernel's table. What an administrator entered was seen
// just now; whatever else, when its machine last confirmed it.
func neighbours() ([]entry, error) {
	table, err := dump(func() ([]netlink.Neigh, error) {
		return netlink.NeighListExecute(netlink.Ndmsg{Family: netlink.FAMILY_V4})
	})
	if err != nil {
		return nil, unreadable("neighbour table", err)
	}
	var all []entry
	for _, n := range table {
		if e, ok := toEntry(n); ok && e.Addr.Is4() {
			all = append(all, e)
		}
	}
	return all, nil
}

// entryAt is what the kernel's table says of one address at an interface, the
// state NUD_NONE where it says nothing. It asks for nothing else: a table may be
// large (RTM_GETNEIGH for one entry, since Linux 5.0).
func entryAt(index int, addr netip.Addr) (entry, error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETNEIGH, 0)
	family := netlink.FAMILY_V4
	if addr.Is6() {
		family = netlink.FAMILY_V6
	}
	request.AddData(&netlink.Ndmsg{Family: uint8(family), Index: uint32(index)})
	request.AddData(nl.NewRtAttr(netlink.NDA_DST, addr.AsSlice()))
	messages, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNEIGH)
	switch {
	case errors.Is(err, unix.ENOENT):
		return entry{}, nil
	case err == nil && len(messages) == 1:
		var n *netlink.Neigh
		if n, err = netlink.NeighDeserialize(messages[0]); err == nil {
			e, _ := toEntry(*n)
			return e, nil
		}
	case err == nil:
		err = fmt.Errorf("%d entries for %s", len(messages), addr)
	}
	return entry{}, unreadable("neighbour table", err)
}

// toEntry reads an entry. ok is false where that is nobody's: those for which this
// machine answers itself, or that tell no MAC address though they should.
func toEntry(n netlink.Neigh) (e entry, ok bool) {
	now := time.Now()
	e = entry{Sighting: Sighting{Addr: toIP(n.IP), Seen: now}, state: n.State}
	if n.Flags&netlink.NTF_PROXY != 0 {
		return entry{}, false
	}
	if len(n.HardwareAddr) == len(e.mac) {
		copy(e.mac[:], n.HardwareAddr)
	}
	if n.State&netlink.NUD_PERMANENT == 0 {
		e.Seen = now.Add(-time.Duration(n.Confirmed) * tick)
	}
	if e.mac.IsZero() && n.State&^(netlink.NUD_INCOMPLETE|netlink.NUD_FAILED) != 0 {
		return entry{}, false
	}
	return e, true
}

// String says where and when.
func (s Sighting) String() string {
	return fmt.Sprintf("%s (seen %s)", s.Addr, s.Seen.Format(time.RFC3339))
}

package neighbour

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"

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
	now := time.Now()
	var all []entry
	for _, n := range table {
		e := entry{Sighting: Sighting{Addr: toIP(n.IP), Seen: now}, state: n.State}
		if !e.Addr.Is4() || n.Flags&netlink.NTF_PROXY != 0 {
			continue
		}
		if len(n.HardwareAddr) == len(e.mac) {
			copy(e.mac[:], n.HardwareAddr)
		}
		if n.State&netlink.NUD_PERMANENT == 0 {
			e.Seen = now.Add(-time.Duration(n.Confirmed) * tick)
		}
		if e.mac.IsZero() && n.State&^(netlink.NUD_INCOMPLETE|netlink.NUD_FAILED) != 0 {
			continue
		}
		all = append(all, e)
	}
	return all, nil
}

// String says where and when.
func (s Sighting) String() string {
	return fmt.Sprintf("%s (seen %s)", s.Addr, s.Seen.Format(time.RFC3339))
}

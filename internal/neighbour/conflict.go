package neighbour

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Conflict is either one MAC address that was seen at several addresses at
// once, or one address at which several MAC addresses were seen.
type Conflict struct {
	MACs  []pxepilot.MAC
	Addrs []netip.Addr
}

// String says what contradicts itself, in one line.
func (c Conflict) String() string {
	if len(c.MACs) == 1 {
		return fmt.Sprintf("%s is at %d addresses: %s", c.MACs[0], len(c.Addrs), list(c.Addrs))
	}
	return fmt.Sprintf("%s is claimed by %d MAC addresses: %s", list(c.Addrs), len(c.MACs), list(c.MACs))
}

// list names the first few of many: a router that answers for a whole subnet
// (proxy ARP, RFC 1027) is at thousands of addresses.
func list[T fmt.Stringer](all []T) string {
	const most = 4
	var names []string
	for _, x := range all[:min(most, len(all))] {
		names = append(names, x.String())
	}
	text := strings.Join(names, ", ")
	if n := len(all) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

func compareMACs(a, b pxepilot.MAC) int { return slices.Compare(a[:], b[:]) }

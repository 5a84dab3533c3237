package pilot

import (
	"strings"
	"sync"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Fetch is a request for what a host boots, and what came of it.
type Fetch struct {
	At            time.Time
	Path          string // of the request
	By            string // the address that asked
	Agent         string // as that calls itself; empty when it does not
	Bootloader    string
	Configuration string // that it got; empty for none
	Status        int    // of the answer
}

// fetches remembers the last one of each host. Hosts that are not in the inventory
// any more are forgotten, so that there are never more than hosts.
type fetches struct {
	mu   sync.Mutex
	of   *pxepilot.Inventory // that it was tidied for
	last map[string]Fetch    // by the host's name
}

// Fetched notes that a host's link was asked for. What a client says of itself is
// nobody's word; it is kept short and printable.
func (p *Pilot) Fetched(host string, f Fetch) {
	f.At, f.Path, f.Agent = time.Now(), printable(f.Path), printable(f.Agent)
	last := p.fetches.tidied(p.site().Inventory)
	defer p.fetches.mu.Unlock()
	if p.fetches.of.ByName(host) != nil {
		last[host] = f
	}
}

// LastFetch tells what a host fetched last over HTTP, since the server started.
func (p *Pilot) LastFetch(host string) (Fetch, bool) {
	last := p.fetches.tidied(p.site().Inventory)
	defer p.fetches.mu.Unlock()
	f, ok := last[host]
	return f, ok
}

// tidied locks, and returns what is remembered of the hosts of an inventory.
func (f *fetches) tidied(inv *pxepilot.Inventory) map[string]Fetch {
	f.mu.Lock()
	if f.of != inv {
		kept := map[string]Fetch{}
		for host, fetch := range f.last {
			if inv.ByName(host) != nil {
				kept[host] = fetch
			}
		}
		f.of, f.last = inv, kept
	}
	return f.last
}

func printable(s string) string {
	const most = 200
	cut := len(s) > most
	if cut {
		s = s[:most]
	}
	s = strings.Map(func(r rune) rune {
		if !pxepilot.Printable(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if cut {
		s += "..."
	}
	return s
}

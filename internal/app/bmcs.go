package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour"
)

// bmcs knows where the BMCs are that the configuration file names by their MAC
// addresses. It is what discovery is to the use cases, and where drivers learn
// the addresses to speak to.
type bmcs struct {
	log   *slog.Logger
	table func() *neighbour.Table // opened when it is needed first: many sites have no such BMC
	moved func()                  // called when an address is known that was not

	ask  func() (map[pxepilot.MAC][]neighbour.Sighting, error) // the kernel
	last atomic.Pointer[neighbours]
}

// newBMCs remembers addresses in a file of directory. Where that cannot be,
// nothing is remembered over a restart, and the log says so.
func newBMCs(directory func() string, log *slog.Logger) *bmcs {
	return &bmcs{log: log, moved: func() {}, ask: neighbour.LookupAll, table: sync.OnceValue(func() *neighbour.Table {
		dir := directory()
		o := neighbour.Options{Path: filepath.Join(dir, "neighbours.json"), Warn: func(text string) { log.Warn(text) }}
		// What is above is not made: where that is missing, a disk may not be mounted.
		err := os.Mkdir(dir, 0o700)
		if err == nil || errors.Is(err, fs.ErrExist) {
			var table *neighbour.Table
			if table, err = neighbour.Open(o); err == nil {
				return table
			}
		}
		log.Warn("addresses of BMCs that are found will be forgotten at the next start", "error", err)
		o.Path = ""
		table, _ := neighbour.Open(o) // only a file can fail
		return table
	})}
}

// known is the address at which a MAC was seen last, without asking anybody.
func (b *bmcs) known(mac pxepilot.MAC) string {
	if found, ok := b.table().Get(mac); ok {
		return found.Addrs[0].String()
	}
	return ""
}

// find returns the address of a BMC. What the kernel saw later than the last
// sweep wins: a BMC may have another address by now, and its old one may be
// another machine's, which must not be driven in its place.
func (b *bmcs) find(mac pxepilot.MAC, subnets []netip.Prefix) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		at, known := b.remembered(mac)
		for _, seen := range b.kernel().of[mac] {
			if within(subnets, seen.Addr) && (!known || seen.Seen.After(at.Seen)) {
				if !known || seen.Addr != at.Addr {
					b.bind(neighbour.Binding{MAC: mac, Addrs: []netip.Addr{seen.Addr}, Seen: seen.Seen})
				}
				at, known = seen, true
				break
			}
		}
		if !known {
			return "", pxepilot.Errorf(pxepilot.Conflict,
				"nobody has seen %s yet; find it by 'pxe-pilot discover', or name its address by ipmi.hostname or management.ip_address", mac)
		}
		if err := b.disputed(mac, at); err != nil {
			return "", err
		}
		return at.Addr.String(), nil
	}
}

func within(subnets []netip.Prefix, a netip.Addr) bool {
	return len(subnets) == 0 || slices.ContainsFunc(subnets, func(p netip.Prefix) bool { return p.Contains(a) })
}

// remembered is where a MAC was seen last, by a sweep or the kernel.
func (b *bmcs) remembered(mac pxepilot.MAC) (neighbour.Sighting, bool) {
	found, ok := b.table().Get(mac)
	if !ok {
		return neighbour.Sighting{}, false
	}
	return neighbour.Sighting{Addr: found.Addrs[0], Seen: found.Seen}, true
}

// disputed says that the address at which a BMC was seen is another machine's by
// now, or that somebody else claims it as well.
func (b *bmcs) disputed(mac pxepilot.MAC, at neighbour.Sighting) error {
	k := b.kernel()
	if _, spoken := k.at[at.Addr]; !spoken && time.Since(k.read) > instant {
		// Whoever is there may have been spoken with since.
		k = b.look()
	}
	if other, ok := k.at[at.Addr]; ok && other.mac != mac && other.seen.After(at.Seen) {
		return pxepilot.Errorf(pxepilot.Conflict,
			"%s is at its address %s by now, in place of %s; find that one by 'pxe-pilot discover', and give both addresses of their own", other.mac, at.Addr, mac)
	}
	if k.contested[at.Addr] {
		return pxepilot.Errorf(pxepilot.Conflict,
			"its address %s is claimed by %s and by another machine; give both addresses of their own, and then 'pxe-pilot discover'", at.Addr, mac)
	}
	return nil
}

// What is known of the neighbours is read again after glance, for a list asks of
// many BMCs at once, and the kernel tells all that it knows or nothing; and after
// an instant where it matters who answered just now.
const (
	glance  = time.Second
	instant = 2 * time.Millisecond
)

// neighbours is what the kernel knew at a moment. It is immutable.
type neighbours struct {
	read      time.Time
	of        map[pxepilot.MAC][]neighbour.Sighting // the latest first
	at        map[netip.Addr]claim                  // the latest
	contested map[netip.Addr]bool                   // that several MACs claimed at once in the last sweep
}

// A claim is who was seen at an address, and when.
type claim struct {
	mac  pxepilot.MAC
	seen time.Time
}

// kernel is what the kernel knows, as of a glance ago.
func (b *bmcs) kernel() *neighbours {
	if k := b.last.Load(); k != nil && time.Since(k.read) < glance {
		return k
	}
	return b.look()
}

// look asks the kernel now.
func (b *bmcs) look() *neighbours {
	all, err := b.ask()
	if err != nil {
		b.log.Warn("the kernel's neighbour table cannot be read", "error", err)
	}
	k := &neighbours{read: time.Now(), of: all, at: map[netip.Addr]claim{}, contested: map[netip.Addr]bool{}}
	for mac, sightings := range all {
		for _, s := range sightings {
			if s.Seen.After(k.at[s.Addr].seen) {
				k.at[s.Addr] = claim{mac, s.Seen}
			}
		}
	}
	for _, c := range b.table().Conflicts() {
		if len(c.MACs) > 1 {
			for _, a := range c.Addrs {
				k.contested[a] = true
			}
		}
	}
	b.last.Store(k)
	return k
}

// bind remembers sightings and tells what they changed.
func (b *bmcs) bind(sightings ...neighbour.Binding) {
	if len(sightings) == 0 {
		return
	}
	news, err := b.table().Bind(sightings...)
	if err != nil {
		b.log.Warn("the addresses of BMCs are not on disk", "error", err)
	}
	for _, m := range news.Moves {
		b.log.Info("a BMC moved", "bmc", m.String())
	}
	for _, c := range news.Conflicts {
		b.log.Warn("BMCs contradict each other", "conflict", c.String())
	}
	b.moved()
}

// Discover implements pilot.Discoverer by a sweep of the subnets of the hosts'
// BMCs.
func (b *bmcs) Discover(ctx context.Context, inv *pxepilot.Inventory, rate int, tell func(pxepilot.SweepProgress)) ([]pxepilot.SubnetSweep, error) {
	if rate == 0 {
		rate = neighbour.DefaultRate
	}
	r := neighbour.Request{Rate: rate}
	seen := map[netip.Prefix]bool{}
	for _, h := range inv.Hosts() {
		mac, subnets := sought(h)
		if mac.IsZero() {
			continue
		}
		r.Wanted = append(r.Wanted, mac)
		for _, s := range subnets {
			if !seen[s] {
				seen[s] = true
				r.Subnets = append(r.Subnets, s)
			}
		}
	}
	r.Progress = progress(len(r.Wanted), tell)
	reports, err := neighbour.Sweep(ctx, r)
	b.bind(neighbour.Bindings(reports)...)
	if err != nil {
		return nil, err
	}
	sweeps := make([]pxepilot.SubnetSweep, len(reports))
	for i, r := range reports {
		sweeps[i] = b.report(inv, r)
	}
	return sweeps, nil
}

// sought is the BMC of a host that is known by its MAC address, and where to look
// for it.
func sought(h *pxepilot.Host) (pxepilot.MAC, []netip.Prefix) {
	switch {
	case h.IPMI != nil && h.IPMI.Hostname == "":
		return h.IPMI.MAC, h.IPMI.Subnets
	case h.Management != nil && h.Management.Address == "":
		return h.Management.MAC, h.Management.Subnets
	}
	return pxepilot.MAC{}, nil
}

// progress adds up the progress of the subnets.
func progress(wanted int, tell func(pxepilot.SweepProgress)) func(neighbour.Progress) {
	by := map[netip.Prefix]neighbour.Progress{}
	return func(p neighbour.Progress) {
		by[p.Subnet] = p
		sum := pxepilot.SweepProgress{Wanted: wanted}
		for _, p := range by {
			sum.Asked += p.Asked
			sum.Of += p.Total
			sum.Found += p.Found
		}
		tell(sum)
	}
}

// report says what was found in a subnet. Missing are the BMCs that were to be
// looked for in it and that no subnet has.
func (b *bmcs) report(inv *pxepilot.Inventory, r neighbour.SubnetReport) pxepilot.SubnetSweep {
	s := pxepilot.SubnetSweep{
		Subnet: r.Subnet, Method: string(r.Method), Asked: r.Asked, Answered: r.Answered, Elapsed: r.Elapsed, Note: r.Note,
	}
	lost := map[pxepilot.MAC]bool{}
	for _, m := range r.Missing {
		lost[m] = true
	}
	told := map[pxepilot.MAC]bool{}
	for _, h := range inv.Hosts() {
		mac, subnets := sought(h)
		if mac.IsZero() || told[mac] {
			continue
		}
		told[mac] = true
		for _, a := range r.Found[mac] {
			s.Found = append(s.Found, pxepilot.Sighting{MAC: mac, Address: a})
		}
		for _, in := range subnets {
			if in == r.Subnet && lost[mac] {
				s.Missing = append(s.Missing, mac)
			}
		}
	}
	for _, d := range r.Duplicates {
		s.Duplicates = append(s.Duplicates, d.String())
	}
	if r.Err != nil {
		s.Problem = r.Err.Error()
	}
	return s
}

package neighbour

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// DefaultRate is how many packets a second a sweep sends unless told otherwise:
// a /20 in half a second, and a trifle for any switch.
const DefaultRate = 10_000

// What one sweep may ask for at most.
const (
	largest      = 16      // a /16 in one subnet
	mostAsked    = 1 << 20 // addresses over all of them
	mostSubnets  = 4096
	progressRate = 100 * time.Millisecond
)

// A Method is how a subnet was asked.
type Method string

// The methods.
const (
	ByARP    Method = "arp"    // on raw sockets, with CAP_NET_RAW
	ByKernel Method = "kernel" // a datagram to each address, then the kernel's table
)

// A Request says what to sweep, and what for.
type Request struct {
	Subnets []netip.Prefix
	Wanted  []pxepilot.MAC
	Rate    int // packets a second over all subnets; 0: as fast as it goes
	// Progress, where set, is told ten times a second how each subnet that is
	// being asked stands, and once at the end. It is called by one goroutine at
	// a time.
	Progress func(Progress) `json:"-"`
}

// Progress is how far the sweep of a subnet is.
type Progress struct {
	Subnet   netip.Prefix
	Asked    int // addresses so far
	Total    int // addresses to ask
	Answered int
	Found    int // wanted MACs
}

// A SubnetReport is what a sweep found in a subnet.
type SubnetReport struct {
	Subnet    netip.Prefix
	Interface string // empty where none leads there
	Method    Method // empty where nobody was asked
	Asked     int    // addresses; less than there are when all wanted were seen before
	Answered  int    // addresses
	// Found are the wanted MACs that are in this subnet, with their addresses in
	// the order in which they were seen.
	Found map[pxepilot.MAC][]netip.Addr
	// Missing are the wanted MACs that the sweep saw in no subnet at all. It is
	// the same in all its reports.
	Missing []pxepilot.MAC
	// Duplicates are the wanted MACs of this subnet that are at several addresses
	// of the sweep, and the addresses that a wanted MAC and another both claim.
	Duplicates []Conflict
	Started    time.Time
	Elapsed    time.Duration
	// Note says what may be wrong with the figures, and why.
	Note string
	// Err says why the subnet was not swept, or not wholly, and what to do.
	Err error
}

// Sweep asks all addresses of some subnets for their MAC addresses, but stops as
// soon as it has seen each wanted one. The reports are in the order of the
// subnets, each subnet once; what is wrong with one does not hold up the others.
// The error tells of a request that cannot be met, or of the end of ctx; then the
// reports tell of what was seen until then.
func Sweep(ctx context.Context, r Request) ([]SubnetReport, error) {
	if r.Rate < 0 {
		return nil, pxepilot.Errorf(pxepilot.Invalid, "%d packets a second cannot be sent; want a positive rate, or 0 for unpaced", r.Rate)
	}
	subnets, err := distinct(r.Subnets)
	if err != nil {
		return nil, err
	}
	n, err := look()
	if err != nil {
		return nil, err
	}
	s := &sweep{ledger: newLedger(r.Wanted), reports: make([]SubnetReport, len(subnets)), of: make(map[*target]*SubnetReport)}
	if err := s.plan(n, subnets); err != nil {
		return nil, err
	}
	s.ledger.foundOurs(n.own)
	stop := s.tell(r.Progress)
	s.run(ctx, r.Rate)
	stop()
	s.report()
	return s.reports, ctx.Err()
}

// distinct leaves out subnets that were named before, and sets their host parts
// to zero.
func distinct(subnets []netip.Prefix) ([]netip.Prefix, error) {
	if len(subnets) > mostSubnets {
		return nil, pxepilot.Errorf(pxepilot.Invalid, "%d subnets are too many for one sweep; sweep at most %d at a time", len(subnets), mostSubnets)
	}
	known := make(map[netip.Prefix]bool)
	var all []netip.Prefix
	for _, p := range subnets {
		if !p.IsValid() {
			return nil, pxepilot.Errorf(pxepilot.Invalid, "a subnet of the sweep is none; want one such as 10.0.0.0/24")
		}
		if p = p.Masked(); !known[p] {
			known[p] = true
			all = append(all, p)
		}
	}
	return all, nil
}

// A sweep is one call of Sweep.
type sweep struct {
	ledger  *ledger
	reports []SubnetReport
	of      map[*target]*SubnetReport
}

// plan finds out how each subnet is asked, or why it is not.
func (s *sweep) plan(n *network, subnets []netip.Prefix) error {
	total := 0
	for i, subnet := range subnets {
		r := &s.reports[i]
		r.Subnet, r.Started = subnet, time.Now()
		p, err := n.path(subnet)
		switch {
		case !subnet.Addr().Is4():
			err = pxepilot.Errorf(pxepilot.Invalid, "subnet %s is IPv6, which has no ARP and is too large to ask; set ipmi.hostname for its BMCs", subnet)
		case subnet.Bits() < largest:
			err = pxepilot.Errorf(pxepilot.Invalid, "subnet %s has %d addresses, and at most a /%d is swept; name the part that the BMCs are in",
				subnet, 1<<(32-subnet.Bits()), largest)
		}
		if err != nil {
			r.Err = err
			continue
		}
		r.Interface = p.link.name
		t := newTarget(subnet, p, n.own)
		if total += t.total(); total > mostAsked {
			return pxepilot.Errorf(pxepilot.Invalid, "the subnets have more than %d addresses, too many for one sweep; name smaller ones", mostAsked)
		}
		s.ledger.targets = append(s.ledger.targets, t)
		s.of[t] = r
	}
	return nil
}

// run asks on all interfaces side by side. All sockets are opened here, by the
// goroutine of the caller.
func (s *sweep) run(ctx context.Context, rate int) {
	var byARP []*wire
	var byKernel []*target
	for _, w := range wires(s.ledger.targets, s.ledger, newPacer(rate)) {
		err := w.open()
		switch {
		case forbidden(err):
			byKernel = append(byKernel, w.targets...)
		case err != nil:
			s.ledger.end(w.targets, pxepilot.Errorf(pxepilot.Unavailable,
				"cannot ask by ARP at interface %s: %v; set ipmi.hostname for the BMCs there, or mend the interface", w.path.link.name, err))
		default:
			byARP = append(byARP, w)
		}
	}
	var group sync.WaitGroup
	for _, w := range byARP {
		group.Go(func() { w.sweep(ctx) })
	}
	if len(byKernel) > 0 {
		s.method(byKernel, ByKernel, kernelLimits)
		askKernel(ctx, s.ledger, byKernel, rate)
	}
	group.Wait()
	for _, w := range byARP {
		s.method(w.targets, ByARP, w.note())
	}
}

// forbidden says whether raw sockets are not for us: no CAP_NET_RAW, or no
// AF_PACKET in RestrictAddressFamilies= of systemd.
func forbidden(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EAFNOSUPPORT)
}

func (s *sweep) method(targets []*target, m Method, note string) {
	for _, t := range targets {
		s.of[t].Method, s.of[t].Note = m, note
	}
}

// report writes down what the ledger says.
func (s *sweep) report() {
	missing := s.ledger.missing()
	for i := range s.reports {
		s.reports[i].Missing = missing
	}
	for _, t := range s.ledger.targets {
		r := s.of[t]
		r.Asked, r.Answered, r.Found = t.nAsked, t.nAnswered, t.found
		r.Duplicates, r.Started, r.Elapsed = s.ledger.conflicts(t), t.started, t.elapsed
		switch {
		case t.err == nil:
		case errors.Is(t.err, context.Canceled), errors.Is(t.err, context.DeadlineExceeded):
			r.Err = pxepilot.Errorf(pxepilot.Unavailable, "the sweep of %s was cut off after %d of %d addresses; sweep again with more time",
				t.subnet, t.nAsked, t.total()).Because(t.err)
		default:
			r.Err = t.err
		}
	}
}

// tell calls f with what changed until stop is called, and once more then.
func (s *sweep) tell(f func(Progress)) (stop func()) {
	if f == nil {
		return func() {}
	}
	told := make(map[*target]Progress)
	tell := func() {
		for _, t := range s.ledger.targets {
			if p := s.ledger.progress(t); p != told[t] {
				told[t] = p
				f(p)
			}
		}
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(progressRate)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				tell()
			case <-done:
				tell()
				return
			}
		}
	})
	return func() { close(done); group.Wait() }
}

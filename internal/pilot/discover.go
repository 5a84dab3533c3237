package pilot

import (
	"context"
	"strings"
	"sync"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Discoverer finds out where BMCs are that are known by their MAC addresses.
type Discoverer interface {
	// Discover sweeps the subnets in which the BMCs of an inventory's hosts are,
	// at most rate packets a second (0: as it sees fit), and remembers what it
	// finds. It tells how far it is now and then, one call at a time. A subnet
	// that cannot be swept is told by its Problem and holds up no other; the
	// error is for what holds up all of them.
	Discover(ctx context.Context, inv *pxepilot.Inventory, rate int, tell func(pxepilot.SweepProgress)) ([]pxepilot.SubnetSweep, error)
}

// MaxRate is the most packets a second that can be asked for.
const MaxRate = 1_000_000

// A Discovery is what a sweep found.
type Discovery struct {
	Subnets []pxepilot.SubnetSweep
	Hosts   map[pxepilot.MAC][]string // whose BMC has the address, in the order of the file
}

// Err names every subnet that could not be swept: the first few with the reason.
func (d *Discovery) Err() error {
	const most = 3
	var problems, more []string
	for _, s := range d.Subnets {
		switch {
		case s.Problem == "":
		case len(problems) < most:
			problems = append(problems, ofSubnet(s))
		default:
			more = append(more, s.Subnet.String())
		}
	}
	if len(problems) == 0 {
		return nil
	}
	if len(more) > 0 {
		problems = append(problems, "nor were "+strings.Join(more, ", ")+" swept")
	}
	return pxepilot.Errorf(pxepilot.Conflict, "%s", strings.Join(problems, "; "))
}

// ofSubnet begins a problem with its subnet, unless it names that already.
func ofSubnet(s pxepilot.SubnetSweep) string {
	if subnet := s.Subnet.String(); !strings.Contains(s.Problem, subnet) {
		return subnet + ": " + s.Problem
	}
	return s.Problem
}

// A sweep is the one that is under way, or the last one.
type sweep struct {
	mu      sync.Mutex
	running bool
	at      pxepilot.SweepProgress
}

// Discover sweeps the subnets of the site for BMCs. There is one sweep at a time:
// two would only slow each other down, and ask the same.
func (p *Pilot) Discover(ctx context.Context, rate int) (*Discovery, error) {
	if rate < 0 || rate > MaxRate {
		return nil, pxepilot.Errorf(pxepilot.Invalid, "the rate is %d packets a second; want 1 to %d", rate, MaxRate)
	}
	if p.discoverer == nil {
		return nil, pxepilot.Errorf(pxepilot.Conflict, "this server looks for no BMCs; name them by ipmi.hostname in the configuration file")
	}
	if err := p.sweep.begin(); err != nil {
		return nil, err
	}
	defer p.sweep.end()
	inv := p.site().Inventory
	subnets, err := p.discoverer.Discover(ctx, inv, rate, p.sweep.tell)
	switch {
	case err == nil:
		return &Discovery{Subnets: subnets, Hosts: bmcs(inv)}, nil
	case pxepilot.ErrorCode(err) == pxepilot.Invalid:
		// It is the file that asks for too much, not the caller.
		return nil, pxepilot.Errorf(pxepilot.Conflict, "%s", pxepilot.ErrorMessage(err)).Because(err)
	}
	return nil, err
}

// Sweeping tells how far the sweep is that is under way, or how far the last one
// came.
func (p *Pilot) Sweeping() (at pxepilot.SweepProgress, running bool) {
	p.sweep.mu.Lock()
	defer p.sweep.mu.Unlock()
	return p.sweep.at, p.sweep.running
}

func (s *sweep) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.running && s.at.Of == 0:
		return pxepilot.Errorf(pxepilot.Conflict, "the subnets are being swept already, since a moment ago; wait until that is done")
	case s.running:
		return pxepilot.Errorf(pxepilot.Conflict, "the subnets are being swept already, with %d of %d addresses asked; wait until that is done", s.at.Asked, s.at.Of)
	}
	s.running, s.at = true, pxepilot.SweepProgress{}
	return nil
}

func (s *sweep) tell(at pxepilot.SweepProgress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = at
}

func (s *sweep) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
}

// bmcs tells whose BMC has which MAC address.
func bmcs(inv *pxepilot.Inventory) map[pxepilot.MAC][]string {
	of := map[pxepilot.MAC][]string{}
	for _, h := range inv.Hosts() {
		switch {
		case h.IPMI != nil && !h.IPMI.MAC.IsZero():
			of[h.IPMI.MAC] = append(of[h.IPMI.MAC], h.Name)
		case h.Management != nil && !h.Management.MAC.IsZero():
			of[h.Management.MAC] = append(of[h.Management.MAC], h.Name)
		}
	}
	return of
}

package pilot

import (
	"context"
	"errors"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// Power is the machines' power: limits, deadlines and one operation at a time
// per BMC are its business, the rules are ours. All that waits ends with its
// context.
type Power interface {
	// Known tells what is known of all machines, at once, and has what is old
	// asked anew behind it. Where nothing is known yet it waits a second at most.
	Known(context.Context) *pxepilot.PowerView
	// Address is where a machine's BMC is, as used or found last; empty when not
	// known. It asks nobody.
	Address(*pxepilot.Host) string
	// State asks a machine's BMC now.
	State(context.Context, *pxepilot.Host) (pxepilot.PowerState, error)
	// Do has an action begun.
	Do(context.Context, *pxepilot.Host, pxepilot.PowerAction) error
	// BootNext sets what the machine boots from the next time, once.
	BootNext(context.Context, *pxepilot.Host, pxepilot.BootDevice) error
}

// Timing says how long machines may take. Zero values mean the defaults.
type Timing struct {
	Whole    time.Duration // one request, whatever BMCs do; 57 s, from when all else is done
	ReadBack time.Duration // until a machine is on or off that was told to; 30 s
	Interval time.Duration // between two looks whether it is; 500 ms

	AfterSwitch  time.Duration // what is done after a switch; 5 min. A request may wait for one that is under way, and then for its own
	Verification time.Duration // what a request asks TFTP servers; 1 min
	Look         time.Duration // between two looks at what others change; 3 s
}

func (t Timing) orDefault() Timing {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	// A minute, less what a driver needs to hang up and the answer to get through.
	set(&t.Whole, 57*time.Second)
	set(&t.ReadBack, 30*time.Second)
	set(&t.Interval, 500*time.Millisecond)
	set(&t.AfterSwitch, 5*time.Minute)
	set(&t.Verification, time.Minute)
	set(&t.Look, 3*time.Second)
	return t
}

// PowerStatus is what a BMC just said.
type PowerStatus struct {
	Host    string
	State   pxepilot.PowerState // on or off
	Address string              // of the BMC; empty when not known
}

// Powers tells what is known of the power of all machines. The view is the same
// pointer for as long as nothing new is known, and nil where nothing drives any.
func (p *Pilot) Powers(ctx context.Context) *pxepilot.PowerView {
	if p.power == nil {
		return nil
	}
	return p.power.Known(ctx)
}

// Power asks the BMC of a host now whether the machine is on.
func (p *Pilot) Power(ctx context.Context, ref string) (*PowerStatus, error) {
	h, err := findHost(p.site().Inventory, ref)
	if err != nil {
		return nil, err
	}
	if err := p.drivable(h); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.timing.Whole)
	defer cancel()
	state, err := p.power.State(ctx, h)
	switch {
	case err != nil:
		return nil, undone(h, err)
	case state != pxepilot.PowerOn && state != pxepilot.PowerOff:
		return nil, p.noState(h)
	}
	return &PowerStatus{Host: h.Name, State: state, Address: p.power.Address(h)}, nil
}

// Addresses tells where BMCs are that were found by their MAC addresses, and
// nothing of power. No BMC is asked. The view is the same pointer for as long as
// none is found elsewhere, and nil where there is none to be found.
func (p *Pilot) Addresses() *pxepilot.PowerView {
	if p.power == nil {
		return nil
	}
	last := p.addresses.Load()
	known, same := map[string]pxepilot.PowerKnowledge(nil), last != nil
	for _, h := range p.site().Inventory.Hosts() {
		if h.IPMI == nil || h.IPMI.Hostname != "" {
			continue
		}
		if known == nil {
			known = map[string]pxepilot.PowerKnowledge{}
		}
		k := pxepilot.PowerKnowledge{Address: p.power.Address(h)}
		known[h.Name] = k
		same = same && last.Hosts[h.Name] == k
	}
	switch {
	case known == nil:
		return nil
	case same && len(known) == len(last.Hosts):
		return last
	}
	next := &pxepilot.PowerView{Hosts: known}
	p.addresses.Store(next)
	return next
}

// Drive carries out an order. It returns once the machine is on or off; where a
// reset, a cycle or a soft off was accepted, or what nothing can look at, that is
// all that is known of it.
func (p *Pilot) Drive(ctx context.Context, ref string, o Order) (accepted bool, err error) {
	if err := o.check(); err != nil {
		return false, err
	}
	h, err := findHost(p.site().Inventory, ref)
	if err != nil {
		return false, err
	}
	s, done := p.span(ctx)
	defer done()
	d, err := p.drive(s, h, o)
	return d.accepted, err
}

// driven is what is to be known of an order that was carried out.
type driven struct {
	accepted bool  // and that is all that is known
	skipped  error // why what the machine boots next was not set
}

// A span is the time that a request has for machines.
type span struct {
	asked context.Context // ends, too, when nobody waits for the answer any more: then nothing is begun
	begun context.Context // for what was begun, which is not left half done
}

func (p *Pilot) span(ctx context.Context) (s span, done func()) {
	asked, cancelAsked := context.WithTimeout(ctx, p.timing.Whole)
	begun, cancelBegun := context.WithTimeout(context.WithoutCancel(ctx), p.timing.Whole)
	return span{asked, begun}, func() { cancelAsked(); cancelBegun() }
}

// drive applies the rules to one machine: ask for its state, choose the action,
// set what it boots next, act, and look whether it happened. A tolerant order
// goes on where nothing can set what the machine boots next, and tells why.
func (p *Pilot) drive(s span, h *pxepilot.Host, o Order) (d driven, err error) {
	if err := p.drivable(h); err != nil {
		return d, err
	}
	state, err := p.power.State(s.asked, h)
	blind := errors.Is(err, errors.ErrUnsupported) && o.Do.canBeBlind()
	switch {
	case errors.Is(s.asked.Err(), context.Canceled):
		return d, pxepilot.Errorf(pxepilot.Conflict, "host %s: the request was given up before its turn came; nothing was done to its power",
			pxepilot.Quote(h.Name)).Because(s.asked.Err())
	case err != nil && !blind:
		return d, undone(h, err)
	}
	action, want, ok := o.Do.in(state)
	if !ok {
		return d, p.noState(h)
	}
	if o.Next != "" {
		switch err := p.power.BootNext(s.begun, h, o.Next); {
		case o.tolerant && errors.Is(err, errors.ErrUnsupported):
			d.skipped = undone(h, err)
		case err != nil:
			return d, undone(h, err)
		}
	}
	if action == "" {
		return d, nil
	}
	if err := p.power.Do(s.begun, h, action); err != nil {
		return d, undone(h, err)
	}
	if want == "" && o.proven {
		want = pxepilot.PowerOn
	}
	if want == "" || blind {
		d.accepted = true
		return d, nil
	}
	return d, p.readBack(s.begun, h, action, want)
}

// readBack looks until a machine is as wanted, or the time for it is over.
func (p *Pilot) readBack(ctx context.Context, h *pxepilot.Host, action pxepilot.PowerAction, want pxepilot.PowerState) error {
	ctx, cancel := context.WithTimeout(ctx, p.timing.ReadBack)
	defer cancel()
	began := time.Now()
	var seen pxepilot.PowerState
	var failed error
	for {
		state, err := p.power.State(ctx, h)
		switch {
		case err == nil && state == want:
			return nil
		case err == nil:
			seen, failed = state, nil
		case ctx.Err() == nil || failed == nil && seen == "":
			failed = err // else it is the end of the time that cut the question off
		}
		wait := time.NewTimer(p.timing.Interval)
		select {
		case <-wait.C:
			continue
		case <-ctx.Done():
			wait.Stop()
		}
		after := time.Since(began).Round(time.Second)
		if failed != nil {
			return pxepilot.Errorf(pxepilot.Conflict, "host %s: its BMC%s accepted the power action %q, but did not say within %s that it happened: %s",
				pxepilot.Quote(h.Name), p.at(h), action, after, pxepilot.ErrorMessage(undone(h, failed))).Because(failed)
		}
		return pxepilot.Errorf(pxepilot.Conflict, "host %s: its BMC%s accepted the power action %q, but %s later the machine is %s; look at its console and at the BMC's log",
			pxepilot.Quote(h.Name), p.at(h), action, after, inWords[seen])
	}
}

var inWords = map[pxepilot.PowerState]string{
	pxepilot.PowerOn:      "on",
	pxepilot.PowerOff:     "off",
	pxepilot.PowerUnknown: "in a state that the BMC does not tell",
}

// drivable says that nothing drives a host's power, where that is so.
func (p *Pilot) drivable(h *pxepilot.Host) error {
	if p.power != nil && (h.IPMI != nil || h.Redfish != nil || h.Management != nil || h.WakeOnLAN != nil) {
		return nil
	}
	return pxepilot.Errorf(pxepilot.Conflict, "nothing drives the power of host %s: give it ipmi, redfish, management or wol in the configuration file",
		pxepilot.Quote(h.Name))
}

func (p *Pilot) noState(h *pxepilot.Host) error {
	return pxepilot.Errorf(pxepilot.Conflict, "host %s: its BMC%s does not tell whether the machine is on; look at the BMC itself",
		pxepilot.Quote(h.Name), p.at(h))
}

// undone makes of what went wrong at a BMC a conflict with a sentence for people.
// What drivers say names the host and the BMC already.
func undone(h *pxepilot.Host, err error) error {
	var ours *pxepilot.Error
	switch {
	case errors.As(err, &ours) && ours.Code == pxepilot.Conflict:
		return ours
	case ours != nil:
		return pxepilot.Errorf(pxepilot.Conflict, "%s", ours.Message).Because(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return pxepilot.Errorf(pxepilot.Conflict, "host %s: its BMC did not answer in time", pxepilot.Quote(h.Name)).Because(err)
	}
	return pxepilot.Errorf(pxepilot.Conflict, "host %s: its power cannot be driven; the server's log has the details", pxepilot.Quote(h.Name)).Because(err)
}

func (p *Pilot) at(h *pxepilot.Host) string {
	if address := p.power.Address(h); address != "" {
		return " at " + address
	}
	return ""
}

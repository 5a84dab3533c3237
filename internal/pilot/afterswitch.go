package pilot

import (
	"context"
	"errors"
	"sync"

	"github.com/pxe-pilot/pxe-pilot"
)

// afterSwitch does what has to be done before machines see a switch. What was
// switched has to get there whoever still waits for the answer: only its own time
// limit ends it.
func (p *Pilot) afterSwitch(ctx context.Context, site *Site) error {
	err := p.push(ctx, site)
	if err == nil {
		return nil
	}
	return pxepilot.Errorf(pxepilot.Unavailable,
		"the links were switched, but deploy.after_switch failed, so that nothing was verified or rebooted: %s; mend that and repeat the request",
		pxepilot.ErrorMessage(err)).Because(err)
}

// push does it, or has it done together with what others switched.
func (p *Pilot) push(ctx context.Context, site *Site) error {
	if site.AfterSwitch == nil {
		return nil
	}
	return p.afterwards.pass(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timing.AfterSwitch)
		defer cancel()
		before := p.switches.Load()
		err := site.AfterSwitch(ctx)
		if err == nil {
			p.pushed.Store(before) // one at a time comes here
		}
		return err
	})
}

// unpushed says whether there was a switch that is not known to be pushed.
func (p *Pilot) unpushed(site *Site) bool {
	return site.AfterSwitch != nil && p.pushed.Load() < p.switches.Load()
}

// unpushed notes in the results of hosts that were to be rebooted why they were
// not.
func unpushed(hosts []*pxepilot.Host, c Change, results []Result) {
	for i, ref := range c.Hosts { // in the order of hosts and of results
		if ref.Reboot && results[i].Refused == nil {
			results[i].Problem = pxepilot.Errorf(pxepilot.Conflict, "host %s was not rebooted, for deploy.after_switch failed", pxepilot.Quote(hosts[i].Name))
		}
	}
}

// A turnstile lets one piece of work pass at a time. Those who come while one
// passes go through together, by the work of the last of them: it begins after
// all of them came, and so does what each of them needs. The zero value is ready.
type turnstile struct {
	mu      sync.Mutex
	passing bool
	next    *passage // of those who wait; nil for nobody
}

// A passage is what several share.
type passage struct {
	work  func() error
	begin chan struct{} // closed when it is its turn
	end   chan struct{} // closed when it is over
	err   error
}

// errUnfinished is for those who share in work that ends by a panic.
var errUnfinished = errors.New("it broke off")

// pass has the work done, or shares in the like of it.
func (t *turnstile) pass(work func() error) error {
	t.mu.Lock()
	if p := t.next; p != nil {
		p.work = work
		t.mu.Unlock()
		<-p.end
		return p.err
	}
	p := &passage{work: work, begin: make(chan struct{}), end: make(chan struct{})}
	if t.passing {
		t.next = p
		t.mu.Unlock()
		<-p.begin
		t.mu.Lock()
	}
	t.passing, t.next = true, nil
	work = p.work // nobody changes it any more
	t.mu.Unlock()
	defer t.leave(p)
	p.err = errUnfinished
	p.err = work()
	return p.err
}

// leave lets in those who wait.
func (t *turnstile) leave(p *passage) {
	close(p.end)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passing = false
	if t.next != nil {
		t.passing = true
		close(t.next.begin)
	}
}

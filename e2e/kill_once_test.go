package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A patient is a host that is installed again and again, and what was acknowledged
// of it.
type patient struct {
	lab.Host
	armed      bool
	short      bool // it may be switched by now: it is armed for a second only, or is done as soon as the server takes that up
	generation uint64
	failed     bool
	pending    string // asked for, and not answered
	calls      int    // that were answered
}

// treat deploys to the host once, has its installer fail at times, and then be done,
// until the server is gone.
func (p *patient) treat(t *testing.T, s *lab.Server) {
	self := apiv1.SelfOptions{Host: p.Name}
	for {
		p.pending = "done"
		if !p.armed || rand.IntN(4) == 0 {
			p.pending = "deploy"
		} else if !p.failed && rand.IntN(3) == 0 {
			p.pending = "failed"
		}
		switch p.pending {
		case "deploy":
			ref := apiv1.HostRef{Name: p.Name, Then: "local"}
			if rand.IntN(4) == 0 {
				ref.Within = "1s"
			}
			out, err := s.Client.Deploy(t.Context(), "install", apiv1.Change{Hosts: []apiv1.HostRef{ref}})
			if err != nil {
				return
			}
			p.armed, p.failed, p.short, p.generation = true, false, ref.Within != "", out.Hosts[0].Armed.Generation
			if p.short && rand.IntN(2) == 0 {
				<-time.After(rand.N(1100 * time.Millisecond))
			}
		case "failed":
			_, err := s.Client.Failed(t.Context(), self, "no disk", "sda: none\n")
			var refused *client.Error
			switch {
			case p.short && errors.As(err, &refused) && refused.Status == http.StatusConflict:
				p.armed = false // its time was over
			case err != nil:
				return
			default:
				p.failed = true
			}
		case "done":
			self.Generation = 0
			if rand.IntN(2) == 0 {
				self.Generation = p.generation
			}
			if _, err := s.Client.Done(t.Context(), self); err != nil {
				return
			}
			p.armed = false
		}
		p.calls++
		p.pending = ""
	}
}

// wrong says what is not as it was acknowledged, after the server was killed and
// started again, and takes what is there for acknowledged from now on.
func (p *patient) wrong(h *apiv1.Host) string {
	boots := "nothing"
	if h.Configuration != nil {
		boots = h.Configuration.Name
	}
	armed := h.Armed != nil
	is := fmt.Sprintf("%s boots %s, %+v; acknowledged: armed %t with %d, failed %t; pending: %q", p.Name, boots, h.Armed, p.armed, p.generation, p.failed, p.pending)
	switch {
	case armed && boots != "install", !armed && boots == "install", p.calls > 0 && boots != "install" && boots != "local":
		return "off its rails: " + is
	case p.armed && !armed && p.pending != "done" && !p.short:
		return "its arming was lost: " + is
	case !p.armed && armed && p.pending != "deploy":
		return "it is armed again: " + is
	case p.armed && armed && p.pending != "deploy" && h.Armed.Generation != p.generation:
		return "another generation: " + is
	case armed && p.failed && h.Armed.Failure == nil && p.pending != "deploy":
		return "its failure was lost: " + is
	}
	if p.armed = armed; armed {
		p.generation, p.failed = h.Armed.Generation, h.Armed.Failure != nil
		// The deploy may have been a short one, and the done may be taken up.
		p.short = p.short || p.pending == "deploy" || p.pending == "done"
	}
	p.pending = ""
	return ""
}

// A server is killed again and again while hosts are deployed to once, their
// installers call back, and the time of some is over: nothing that was acknowledged is
// lost, and no host is off its rails: what boots an installer is armed, and nothing
// else is.
func TestKillArmed(t *testing.T) {
	kills := 8
	if testenv.Soak() {
		kills = 200
	}
	hosts := lab.Hosts(8, 1)
	site := newSite(t, hosts...)
	patients := make([]*patient, len(hosts))
	for i, h := range hosts {
		patients[i] = &patient{Host: h}
	}
	server := site.Serve(t)
	calls, cut := 0, 0
	for n := range kills {
		var busy sync.WaitGroup
		for _, p := range patients {
			busy.Go(func() { p.treat(t, server) })
		}
		<-time.After(rand.N(1500 * time.Millisecond))
		server.Kill()
		busy.Wait()
		for _, p := range patients {
			if p.pending != "" {
				cut++
			}
		}
		server = site.Serve(t)
		found, err := server.Client.Hosts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		generations := map[uint64]bool{}
		for i, p := range patients {
			wrong := p.wrong(&found[i])
			if wrong != "" && (p.short || p.pending != "") { // it may be switched at this moment
				<-time.After(100 * time.Millisecond)
				if h, err := server.Client.Host(t.Context(), p.Name); err == nil {
					wrong = p.wrong(h)
				}
			}
			if wrong != "" {
				t.Errorf("kill %d: %s", n, wrong)
			}
			if p.armed && generations[p.generation] {
				t.Errorf("kill %d: the generation %d was used twice", n, p.generation)
			}
			generations[p.generation] = true
		}
		if t.Failed() {
			break
		}
	}
	for _, p := range patients {
		calls += p.calls
		if p.armed {
			// One whose time is over is switched already, and is well.
			if _, err := server.Client.Done(t.Context(), apiv1.SelfOptions{Host: p.Name, Generation: p.generation}); err != nil {
				t.Error(err)
			}
		}
	}
	if left, err := server.Client.Armings(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("in the end %+v are armed, %v", left, err)
	}
	t.Logf("%d calls were acknowledged, %d were cut off by %d kills", calls, cut, kills)
	if calls == 0 || cut == 0 {
		t.Error("that proves nothing")
	}
}

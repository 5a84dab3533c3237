package cli_test

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// arm is how a deploy to a host is meant; nil for good. It answers what is refused.
func (s *fakeSite) arm(w http.ResponseWriter, configuration string, ref apiv1.HostRef, dryRun bool) (*apiv1.Arming, bool) {
	then := ref.Then
	if then == "" && !ref.Permanent {
		then = s.rules[configuration]
	}
	switch {
	case then == "" && ref.Within != "":
		refuse(w, http.StatusConflict, "host 1 of the list: nothing says what it boots when its installer is done; add then, or configuration.settings for %s to the configuration file",
			pxepilot.Quote(configuration))
		return nil, false
	case then == "":
		return nil, true
	case then == configuration:
		refuse(w, http.StatusConflict, "host 1 of the list: then names %s, which is what is deployed", pxepilot.Quote(then))
		return nil, false
	case s.contents[then] == nil:
		s.noConfiguration(w, then)
		return nil, false
	}
	if !dryRun {
		s.generation++
	}
	within, _ := pxepilot.ParseDuration(ref.Within)
	if within == 0 {
		within = pxepilot.DefaultWithin
	}
	now := time.Now().UTC()
	a := &apiv1.Arming{Generation: s.generation, Configuration: configuration, Then: then, Armed: now.Format(time.RFC3339), Until: now.Add(within).Format(time.RFC3339), OnTimeout: ref.OnTimeout}
	if a.OnTimeout == "" {
		a.OnTimeout = "switch"
	}
	return a, true
}

func oneShot(a *apiv1.Arming) *apiv1.OneShot {
	if a == nil {
		return nil
	}
	return &apiv1.OneShot{Generation: a.Generation, Then: a.Then}
}

func (s *fakeSite) handleOnce(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/armings", func(w http.ResponseWriter, _ *http.Request) {
		told := apiv1.Armings{Armings: []apiv1.Arming{}}
		for i := range s.hosts {
			if a := s.hosts[i].Armed; a != nil {
				told.Armings = append(told.Armings, *a)
				told.Armings[len(told.Armings)-1].Name = s.hosts[i].Name
			}
		}
		answer(w, told)
	})
	mux.HandleFunc("PUT /v1/disarm", func(w http.ResponseWriter, r *http.Request) {
		var d apiv1.Disarm
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
			refuse(w, http.StatusBadRequest, "malformed: %v", err)
			return
		}
		told := apiv1.Armings{}
		var hosts []*apiv1.Host
		for _, ref := range d.Hosts {
			h := s.find(w, ref.Name)
			if h == nil {
				return
			}
			if h.Armed == nil {
				refuse(w, http.StatusConflict, "host %s is not armed", pxepilot.Quote(h.Name))
				return
			}
			hosts = append(hosts, h)
			told.Armings = append(told.Armings, *h.Armed)
			told.Armings[len(told.Armings)-1].Name = h.Name
		}
		var switches []apiv1.Switch
		for _, h := range hosts {
			switches = append(switches, apiv1.Switch{Host: h.Name, Before: bootOf(h), After: bootOf(h), Ended: oneShot(h.Armed)})
			h.Armed = nil
		}
		s.record("disarm", switches[0].After.Configuration, 0, switches)
		answer(w, told)
	})
}

// troubled is a site whose installs are not all well.
func troubled() *fakeSite {
	s := newFakeSite()
	a := apiv1.Arming{Generation: 3, Configuration: "ubuntu-16.04", Then: "local", Armed: "2026-11-20T18:00:00Z", Until: "2026-11-20T22:00:00Z", OnTimeout: "switch", Entry: 7}
	failed, gone, kept := a, a, a
	failed.Failure = &apiv1.Failure{At: "2026-11-20T18:30:00Z", Reason: "no disk\x1b[2J", Entry: 8}
	gone.Suspended, gone.Generation = "the host is no longer in the file", 4
	kept.OnTimeout, kept.Finished, kept.Generation = "keep", "2026-11-20T19:00:00Z", 5
	for i, x := range []*apiv1.Arming{&failed, &gone, &kept} {
		s.boot(&s.hosts[i], a.Configuration)
		s.hosts[i].Armed = x
	}
	return s
}

package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// bootOf is what the history tells of a host.
func bootOf(h *apiv1.Host) apiv1.Boot {
	b := apiv1.Boot{State: h.State}
	if h.Configuration != nil {
		b.Configuration = h.Configuration.Name
	}
	return b
}

// record adds an entry to the history.
func (s *fakeSite) record(what, configuration string, undoes int64, hosts []apiv1.Switch) int64 {
	e := apiv1.Entry{
		ID: int64(len(s.entries) + 1), At: time.Now().UTC().Format(time.RFC3339), What: what, Actor: "api", From: "127.0.0.1",
		Configuration: configuration, Result: "done", Undoes: undoes, Count: len(hosts), Hosts: hosts,
	}
	s.entries = append(s.entries, e)
	return e.ID
}

func (s *fakeSite) handleHistory(mux *http.ServeMux, checked func(string, http.HandlerFunc) http.HandlerFunc) {
	mux.HandleFunc("GET /v1/history", func(w http.ResponseWriter, r *http.Request) { answer(w, s.history(r, "")) })
	mux.HandleFunc("GET /v1/hosts/{name}/history", checked("host", func(w http.ResponseWriter, r *http.Request) {
		if h := s.find(w, r.PathValue("name")); h != nil {
			answer(w, s.history(r, h.Name))
		}
	}))
	mux.HandleFunc("GET /v1/history/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.Atoi(r.PathValue("id"))
		if id > len(s.entries) {
			refuse(w, http.StatusNotFound, "the journal has no entry %d; 'pxe-pilot history' lists them", id)
			return
		}
		answer(w, s.entries[id-1])
	})
	mux.HandleFunc("PUT /v1/undo", s.undo)
}

func (s *fakeSite) history(r *http.Request, host string) apiv1.History {
	query := r.URL.Query()
	before, _ := strconv.ParseInt(query.Get("before"), 10, 64)
	limit, _ := strconv.Atoi(query.Get("limit"))
	since, _ := time.Parse(time.RFC3339, query.Get("since"))
	told := apiv1.History{Entries: []apiv1.Entry{}}
	for _, e := range slices.Backward(s.entries) {
		at, _ := time.Parse(time.RFC3339, e.At)
		e.Log, e.Hosts = "", slices.Clone(e.Hosts)
		i := slices.IndexFunc(e.Hosts, func(b apiv1.Switch) bool { return b.Host == host })
		if i > 0 {
			e.Hosts[0], e.Hosts[i] = e.Hosts[i], e.Hosts[0]
		}
		switch {
		case host != "" && i < 0, before != 0 && e.ID >= before, query.Has("actor") && query.Get("actor") != e.Actor, at.Before(since):
		case limit != 0 && len(told.Entries) == limit:
			told.Earlier = true
		default:
			told.Entries = append(told.Entries, e)
		}
	}
	return told
}

func (s *fakeSite) undo(w http.ResponseWriter, r *http.Request) {
	var u apiv1.Undo
	if err := json.NewDecoder(r.Body).Decode(&u); err != nil {
		refuse(w, http.StatusBadRequest, "malformed: %v", err)
		return
	}
	if u.Host != "" {
		h := s.find(w, u.Host)
		if h == nil {
			return
		}
		u.Host = h.Name
	}
	e, hosts := s.toUndo(u)
	if e == nil {
		refuse(w, http.StatusNotFound, "the journal knows of nothing to undo")
		return
	}
	var moved []string
	out := apiv1.Outcome{Hosts: []apiv1.HostOutcome{}}
	for _, b := range hosts {
		if h := s.find(w, b.Host); bootOf(h) != b.After {
			moved = append(moved, pxepilot.Quote(b.Host))
		}
	}
	if len(moved) > 0 && !u.Force {
		refuse(w, http.StatusConflict, "entry %d was not undone, for hosts %s were changed or removed since", e.ID, strings.Join(moved, ", "))
		return
	}
	var switches []apiv1.Switch
	for _, b := range hosts {
		h := s.find(w, b.Host)
		next, before := *h, bootOf(h)
		out.Steps = append(out.Steps, s.boot(&next, b.Before.Configuration)...)
		out.Hosts = append(out.Hosts, apiv1.HostOutcome{Name: h.Name, Configuration: b.Before.Configuration, Rebooted: "NO"})
		if !u.DryRun {
			*h = next
			switches = append(switches, apiv1.Switch{Host: h.Name, Before: before, After: bootOf(h)})
		}
	}
	if !u.DryRun {
		out.Steps = nil
		of := hosts[0].Before.Configuration
		if slices.ContainsFunc(hosts, func(b apiv1.Switch) bool { return b.Before.Configuration != of }) {
			of = ""
		}
		out.Entry = s.record("undo", of, e.ID, switches)
	}
	answer(w, out)
}

// toUndo finds an entry, and those of its hosts that are to be brought back.
func (s *fakeSite) toUndo(u apiv1.Undo) (*apiv1.Entry, []apiv1.Switch) {
	for i, e := range slices.Backward(s.entries) {
		var hosts []apiv1.Switch
		for _, b := range e.Hosts {
			if (u.ID == 0 || u.ID == e.ID) && (u.Host == "" || u.Host == b.Host) && b.Before != b.After {
				hosts = append(hosts, b)
			}
		}
		if len(hosts) > 0 {
			return &s.entries[i], hosts
		}
	}
	return nil, nil
}

// eventful is a site to which much has happened.
func eventful() *fakeSite {
	s := newFakeSite()
	configured := func(name string) apiv1.Boot { return apiv1.Boot{State: "configured", Configuration: name} }
	var rack []apiv1.Switch
	for n := range 20 {
		rack = append(rack, apiv1.Switch{Host: fmt.Sprintf("r%02d", n), Before: configured("local"), After: configured("ubuntu-16.04")})
	}
	rack[1].Result = "not done"
	s.entries = []apiv1.Entry{
		{At: "2026-11-20T18:04:05Z", What: "deploy", Actor: "api", From: "10.0.0.9", Configuration: "ubuntu-16.04", Result: "unclear", Count: 212, Hosts: rack, Loud: true, Error: "the server was cut off"},
		{At: "2026-11-20T18:10:00Z", What: "hand", Actor: "hand", Result: "done", Count: 1, Loud: true, Why: "links were changed by somebody else",
			Hosts: []apiv1.Switch{{Host: "h2", Before: configured("local"), After: apiv1.Boot{State: "dangling"}}}},
		{At: "2026-11-20T19:00:00Z", What: "failed", Actor: "host h1", From: "10.0.0.11", Configuration: "ubuntu-16.04", Result: "done", Loud: true, Count: 1, Why: "no disk\x1b[2J",
			Log: "first\n\tsecond\x1b[2J\r\nthird", Hosts: []apiv1.Switch{{Host: "h1", Before: configured("ubuntu-16.04"), After: configured("ubuntu-16.04")}}},
		{At: "2026-11-20T19:30:00Z", What: "content", Actor: "hand", Configuration: "local", Result: "done", Why: "changed, used by 212 hosts", Loud: true, Count: 0, Hosts: []apiv1.Switch{}},
		{At: "2026-11-20T19:31:00Z", What: "clear", Actor: "api", From: "10.0.0.9", Result: "under way", Count: 3,
			Hosts: []apiv1.Switch{{Host: "h1", Before: configured("local")}, {Host: "h2"}, {Host: "h3", Before: apiv1.Boot{State: "none"}}}},
	}
	for i := range s.entries {
		s.entries[i].ID = int64(i + 1)
	}
	return s
}

package httpapi

import (
	"context"
	"sync"

	"github.com/pxe-pilot/pxe-pilot"
)

// What a memory tells of the disk: each host asks for its link, and then for the
// loader's default, which is there.

const defaultPath = "pxelinux.cfg/default"

func (m *memory) Explain(ctx context.Context, inv *pxepilot.Inventory, hosts []*pxepilot.Host) ([]pxepilot.Explanation, error) {
	view, err := m.View(ctx, inv)
	if err != nil {
		return nil, err
	}
	var explained []pxepilot.Explanation
	for _, h := range hosts {
		status := view.Of(h)
		e := pxepilot.Explanation{Status: status}
		for _, l := range status.Links {
			s := pxepilot.Search{Bootloader: l.Bootloader, MAC: l.MAC, Source: "its manual", Asks: []pxepilot.Ask{
				{Paths: []string{l.Path}, By: pxepilot.ByMAC, Found: pxepilot.Absent},
				{Paths: []string{defaultPath}, By: pxepilot.ByDefault, Found: pxepilot.Readable, Path: defaultPath},
			}}
			if l.State == pxepilot.Configured {
				s.Asks[0].Found, s.Asks[0].Path, s.Asks[0].Configuration = pxepilot.Readable, l.Path, l.Configuration
				s.Configuration, s.Content = l.Configuration, m.variants[l.Configuration][0].Content
			} else {
				s.Wins, s.InChroot, s.Content = 1, 1, "DEFAULT menu\n"
				s.Reasons = []string{"there is no link"}
			}
			e.Searches = append(e.Searches, s)
		}
		explained = append(explained, e)
	}
	return explained, nil
}

// Fetch gives what is on the disk, as a pilot.TFTPServer does that serves it.
func (m *memory) Fetch(_ context.Context, path string, _ pxepilot.Naming, _ int64) ([]byte, error) {
	if path == defaultPath {
		return []byte("DEFAULT menu\n"), nil
	}
	if m.view != nil {
		for i := range m.view.Hosts {
			for _, l := range m.view.Hosts[i].Links {
				if l.Path == path && l.Configuration != "" {
					return []byte(m.variants[l.Configuration][0].Content), nil
				}
			}
		}
	}
	return nil, pxepilot.Errorf(pxepilot.NotFound, "file not found")
}

func (m *memory) Address() string { return "10.0.0.1:69" }

// A stale server gives what was there when it was made, or else does not answer.
type stale struct {
	mu    sync.Mutex
	files map[string]string
	fails error
	asked []string
}

func (s *stale) Address() string { return "10.0.0.9:69" }

func (s *stale) Fetch(_ context.Context, path string, _ pxepilot.Naming, _ int64) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, path)
	if s.fails != nil {
		return nil, s.fails
	}
	content, ok := s.files[path]
	if !ok {
		return nil, pxepilot.Errorf(pxepilot.NotFound, "file not found")
	}
	return []byte(content), nil
}

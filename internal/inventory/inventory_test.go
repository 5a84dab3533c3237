package inventory

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	var fail error
	value := "one"
	s := New(func() (*string, []string, error) {
		if fail != nil {
			return nil, nil, fail
		}
		v := value
		return &v, nil, nil
	})
	if s.Current() != nil {
		t.Error("a value before the first load")
	}
	fail = errors.New("first")
	if err := s.Load(); !errors.Is(err, fail) || s.Current() != nil || !errors.Is(s.Err(), fail) {
		t.Errorf("got %v, %v", err, s.Current())
	}
	fail = nil
	if err := s.Load(); err != nil || *s.Current() != "one" || s.Err() != nil {
		t.Errorf("got %v, %v", err, s.Current())
	}
	value, fail = "two", errors.New("second")
	before := s.Current()
	if err := s.Reload(); !errors.Is(err, fail) || s.Current() != before || !errors.Is(s.Err(), fail) {
		t.Errorf("got %v, %v", err, s.Current())
	}
	fail = nil
	if err := s.Reload(); err != nil || *s.Current() != "two" || *before != "one" || s.Err() != nil {
		t.Errorf("got %v, %v", err, s.Current())
	}
}

// What was watched stays so after an error that came without paths.
func TestPathsAfterAnError(t *testing.T) {
	paths, fail := []string{"/b", "/a", "/b"}, error(nil)
	s := New(func() (*int, []string, error) { return new(int), paths, fail })
	if err := s.Load(); err != nil {
		t.Fatal(err)
	}
	paths, fail = []string{"/c", "/a"}, errors.New("bad")
	if err := s.Reload(); err == nil {
		t.Fatal("no error")
	}
	if d := cmp.Diff([]string{"/a", "/b", "/c"}, s.watched()); d != "" {
		t.Error(d)
	}
	paths, fail = []string{"/c"}, nil
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"/c"}, s.watched()); d != "" {
		t.Error(d)
	}
}

// Readers see whole snapshots while others reload.
func TestConcurrentUse(t *testing.T) {
	type pair struct{ a, b int }
	n := 0
	s := New(func() (*pair, []string, error) {
		n++ // one load at a time
		if n%3 == 0 {
			return nil, nil, errors.New("every third")
		}
		return &pair{n, n}, nil, nil
	})
	if err := s.Load(); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				_ = s.Reload()
				if p := s.Current(); p.a != p.b {
					t.Error("half of a snapshot")
				}
				_ = s.Err()
			}
		})
	}
	all.Wait()
	if n != 801 {
		t.Errorf("%d loads", n)
	}
}

func TestTrail(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"etc", "data/v1", "data/v2", "hosts.d"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"etc/c.yml":     "current/c.yml",
		"etc/current":   "../data/link/../v1",
		"data/link":     filepath.Join(dir, "data/v2"),
		"etc/loop":      "loop",
		"etc/dangling":  "nowhere/x",
		"data/v1/c.yml": "real.yml",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "data/v1/real.yml"), []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	names := func(paths ...string) map[string][]string {
		for i := range paths {
			paths[i] = filepath.Join(dir, paths[i])
		}
		got := map[string][]string{}
		trail := follow(paths)
		for _, d := range []string{"", "etc", "data", "data/v1", "data/v2", "hosts.d"} {
			for n := range trail.names[filepath.Join(dir, d)] {
				got[d] = append(got[d], n)
			}
		}
		return got
	}
	sorted := cmp.Transformer("set", func(s []string) map[string]bool {
		m := map[string]bool{}
		for _, x := range s {
			m[x] = true
		}
		return m
	})
	for _, tt := range []struct {
		paths []string
		want  map[string][]string
	}{
		{[]string{"etc/c.yml"}, map[string][]string{
			"": {"etc", "data"}, "etc": {"c.yml", "current"}, "data": {"link", "v1", "v2"}, "data/v1": {"c.yml", "real.yml"}}},
		{[]string{"hosts.d", "hosts.d/a.yml"}, map[string][]string{"": {"hosts.d"}, "hosts.d": {every, "a.yml"}}},
		{[]string{"etc/loop"}, map[string][]string{"": {"etc"}, "etc": {"loop"}}},
		{[]string{"etc/dangling"}, map[string][]string{"": {"etc"}, "etc": {"dangling", "nowhere"}}},
		{[]string{"none/a/b"}, map[string][]string{"": {"none"}}},
	} {
		if d := cmp.Diff(tt.want, names(tt.paths...), sorted); d != "" {
			t.Errorf("%v: %s", tt.paths, d)
		}
	}
}

package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestState(t *testing.T) {
	want := State{Directory: "/srv/state", Keep: 90 * 24 * time.Hour, MaxSize: 256_000_000}
	for _, text := range []string{
		"state: {directory: /srv/state, required: false, keep: 90d, max_size: 256MB}\n",
		"server: {state: {directory: /srv//state/, required: false, keep: 2160h, max_size: \"256 MB\"}}\n",
		"state: &s {directory: /srv/state, required: false, keep: 90d, max_size: 256MB}\n",
	} {
		got, err := Load(write(t, "c.yml", "hosts: []\n"+site+text))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got.State); d != "" {
			t.Errorf("%s%s", text, d)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"256MB": 256e6, "256MiB": 256 << 20, "1GB": 1e9, "1 GiB": 1 << 30, "1kB": 1e3, "1KB": 1e3, "1KiB": 1024, "2TB": 2e12, "8388607TiB": 8388607 << 40,
		"5B": 5, "0B": 0, "8388608TiB": -1, "256": -1, "MB": -1, "1.5GB": -1, "-1MB": -1, "1  MB": -1, "1mb": -1, "": -1,
	} {
		if got, err := size(text); (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%q is %d (%v), want %d", text, got, err, want)
		}
	}
}

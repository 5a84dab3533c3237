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

func TestKeep(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"720h": 720 * time.Hour, "1h30m": 90 * time.Minute, "90d": 90 * day, "1d": day, "0d": 0, "106751d": 106751 * day,
		"106752d": -1, "-1d": -1, "+1d": -1, "01d": -1, "1.5d": -1, "d": -1, "90": -1, "2y": -1, "": -1, "1d12h": -1, "99999999h": -1,
	} {
		if got, ok := duration(text); ok != (want >= 0) || ok && got != want {
			t.Errorf("%q is %s (%t), want %s", text, got, ok, want)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"256MB": 256e6, "256MiB": 256 << 20, "1GB": 1e9, "1 GiB": 1 << 30, "1kB": 1e3, "1KB": 1e3, "1KiB": 1024, "2TB": 2e12, "8388607TiB": 8388607 << 40,
		"5B": 5, "0B": 0, "8388608TiB": -1, "256": -1, "MB": -1, "1.5GB": -1, "-1MB": -1, "1  MB": -1, "1mb": -1, "": -1,
	} {
		if got, ok := size(text); ok != (want >= 0) || ok && got != want {
			t.Errorf("%q is %d (%t), want %d", text, got, ok, want)
		}
	}
}

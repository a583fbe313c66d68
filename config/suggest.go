package config

import (
	"slices"
	"strings"
)

// nearest returns the word that is most like s, or "" when none is.
func nearest(s string, words []string) string {
	best, least := "", len(s)/3+2
	for _, w := range slices.Sorted(slices.Values(words)) {
		d := distance(strings.ToLower(s), w)
		if strings.HasPrefix(w, strings.ToLower(s)) && len(s) >= 3 || strings.HasPrefix(strings.ToLower(s), w) && len(w) >= 4 {
			d = min(d, 1)
		}
		if d < least {
			best, least = w, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap.
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

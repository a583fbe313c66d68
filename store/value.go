package store

import (
	"encoding/json"
	"time"
)

// Strings is a list that goes to the database as one argument; see Tx.In.
type Strings []string

// Ints is a list that goes to the database as one argument; see Tx.In.
type Ints []int64

// Micros is how a time is stored: microseconds since 1970 in UTC; 0 is the
// zero time, which means never.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the inverse of Micros.
func Time(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// Text is a string that is stored as NULL when empty.
func Text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// arg is v as the database's driver takes it.
func (tx *Tx) arg(v any) any {
	switch v := v.(type) {
	case Strings:
		if tx.pg {
			return notNil([]string(v))
		}
		return jsonList(notNil([]string(v)))
	case Ints:
		if tx.pg {
			return notNil([]int64(v))
		}
		return jsonList(notNil([]int64(v)))
	case time.Time:
		return Micros(v)
	}
	return v
}

func (tx *Tx) args(list []any) []any {
	for i, v := range list {
		switch v.(type) {
		case Strings, Ints, time.Time:
			list[i] = tx.arg(v)
		}
	}
	return list
}

// notNil returns an empty list for a nil one: nothing is in either.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func jsonList(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // lists of strings and integers always marshal
	}
	return string(b)
}

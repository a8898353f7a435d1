-- Asks for the newest leaf: SF_NEWEST is a file whose first four bytes are its number, kept by who publishes; the path of
-- the URL is all that stands before the number. At the end it prints what wrk.lua prints.
local ffi = require("ffi")
ffi.cdef[[
  int open(const char *path, int flags);
  void *mmap(void *address, size_t length, int protection, int flags, int file, long offset);
]]
dofile(os.getenv("SF_DONE"))
local file = ffi.C.open(os.getenv("SF_NEWEST"), 0)
local number = ffi.cast("volatile int *", ffi.C.mmap(nil, 4, 1, 1, file, 0))
local made = {}

request = function()
  local newest = number[0]
  local written = made[newest]
  if not written then
    written = wrk.format("GET", wrk.path .. newest)
    made[newest] = written
  end
  return written
end

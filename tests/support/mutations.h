// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Mutator: seeded damage to a good file - flipped bits, extreme numbers, splices, repeats, cuts. Same seed, same files.
#pragma once

#include <QtGlobal>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace ql::test {

/// QUANTLOUPE_MUTATIONS, or a few thousand.
inline int mutationCount()
{
    bool ok = false;
    const int count = qEnvironmentVariableIntValue("QUANTLOUPE_MUTATIONS", &ok);
    return ok && count > 0 ? count : 3000;
}

class Mutator
{
public:
    explicit Mutator(uint64_t seed) : m_random(seed) {}

    std::vector<std::byte> mutate(std::vector<std::byte> bytes)
    {
        const size_t changes = 1 + below(4);
        for (size_t i = 0; i < changes && !bytes.empty(); ++i)
            change(bytes);
        return bytes;
    }

private:
    size_t below(size_t limit) { return size_t(m_random() % limit); }

    void change(std::vector<std::byte>& bytes)
    {
        const size_t at = below(bytes.size());
        switch (below(6)) {
        case 0: bytes[at] ^= std::byte(1 << below(8)); break;
        case 1: bytes[at] = std::byte(below(256)); break;
        case 2: extreme(bytes, at); break;
        case 3: splice(bytes, at); break;
        case 4: bytes.erase(bytes.begin() + ptrdiff_t(at), bytes.begin() + ptrdiff_t(at + run(bytes, at))); break;
        default:
            if (below(8) == 0)
                bytes.resize(at);
            else
                insertCopy(bytes, at);
        }
    }

    size_t run(const std::vector<std::byte>& bytes, size_t at) { return 1 + below(std::min<size_t>(16, bytes.size() - at)); }

    /// A number of 1, 2, 4 or 8 bytes that counts and lengths get wrong.
    void extreme(std::vector<std::byte>& bytes, size_t at)
    {
        const uint64_t values[] = {0, 1, UINT64_MAX, uint64_t(INT64_MAX), uint64_t(1) << 63, uint64_t(1) << 32,
                                   uint64_t(1) << 30, uint64_t(1) << 20, 0x7FFFFFFF, 0x80000000, 255, 9, bytes.size()};
        const uint64_t value = values[below(std::size(values))];
        const size_t width = std::min(size_t(1) << below(4), bytes.size() - at);
        std::memcpy(bytes.data() + at, &value, width);
    }

    void splice(std::vector<std::byte>& bytes, size_t at)
    {
        const size_t from = below(bytes.size());
        const size_t length = std::min(run(bytes, at), bytes.size() - from);
        std::memmove(bytes.data() + at, bytes.data() + from, length);
    }

    void insertCopy(std::vector<std::byte>& bytes, size_t at)
    {
        const size_t length = run(bytes, at);
        const std::vector<std::byte> copy(bytes.begin() + ptrdiff_t(at), bytes.begin() + ptrdiff_t(at + length));
        const auto where = bytes.begin() + ptrdiff_t(below(bytes.size()));
        bytes.insert(where, copy.begin(), copy.end());
    }

    std::mt19937_64 m_random;
};

} // namespace ql::test

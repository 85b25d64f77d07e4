// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Result<T>: a value or one Error. Every public door of core that can fail returns one.
#pragma once

#include "core/base/error.h"

#include <cassert>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace ql {

template <class T>
class [[nodiscard]] Result
{
public:
    Result(T value) : m_data(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : m_data(std::in_place_index<1>, std::move(error)) {}

    bool ok() const { return m_data.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & { return std::get<0>(m_data); }
    const T& value() const& { return std::get<0>(m_data); }
    T&& value() && { return std::get<0>(std::move(m_data)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    const Error& error() const { return std::get<1>(m_data); }

private:
    std::variant<T, Error> m_data;
};

/// Result of an operation that yields nothing.
template <>
class [[nodiscard]] Result<void>
{
public:
    Result() = default;
    Result(Error error) : m_error(std::move(error)) {}

    bool ok() const { return !m_error; }
    explicit operator bool() const { return ok(); }
    const Error& error() const { return *m_error; }

private:
    std::optional<Error> m_error;
};

using Status = Result<void>;

/// Returns the error of `expression` from the enclosing function, if it has one.
#define QL_CHECK(expression)                                                                                           \
    do {                                                                                                               \
        if (auto qlStatus_ = (expression); !qlStatus_.ok())                                                            \
            return qlStatus_.error();                                                                                  \
    } while (false)

#define QL_CONCAT_(a, b) a##b
#define QL_CONCAT(a, b) QL_CONCAT_(a, b)
#define QL_TRY_(temporary, declaration, expression)                                                                    \
    auto temporary = (expression);                                                                                     \
    if (!temporary.ok())                                                                                               \
        return temporary.error();                                                                                      \
    declaration = std::move(temporary).value()

/// `QL_TRY(auto x, f())` declares x from f()'s value, or returns f()'s error.
#define QL_TRY(declaration, expression) QL_TRY_(QL_CONCAT(qlResult_, __LINE__), declaration, expression)

} // namespace ql

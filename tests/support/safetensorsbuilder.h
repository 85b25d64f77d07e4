// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Safetensors files put together by hand, right or wrong on purpose, and folders to put them in.
#pragma once

#include "core/tensor/bytesource.h"

#include <QByteArray>
#include <QDir>
#include <QFile>
#include <QTemporaryDir>

#include <cstring>
#include <string>
#include <vector>

namespace ql::test {

/// Length word, header and data, with nothing checked. The word counts the header unless `length` says otherwise.
inline std::string safetensorsFile(const std::string& header, const std::string& data = {}, int64_t length = -1)
{
    const uint64_t word = length < 0 ? header.size() : uint64_t(length);
    std::string file(8, '\0');
    std::memcpy(file.data(), &word, 8);
    return file + header + data;
}

/// One entry of a header: "name":{"dtype":...}.
inline std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, uint64_t begin,
                         uint64_t end)
{
    return '"' + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape + "],\"data_offsets\":[" +
           std::to_string(begin) + ',' + std::to_string(end) + "]}";
}

/// A good file of F32 vectors: each name with its number of values, counting up from 0.
inline std::string vectorsFile(const std::vector<std::pair<std::string, int>>& tensors)
{
    std::string header = "{";
    std::string data;
    for (const auto& [name, count] : tensors) {
        const size_t begin = data.size();
        for (int i = 0; i < count; ++i) {
            const auto value = float(i);
            data.append(reinterpret_cast<const char*>(&value), sizeof(value));
        }
        header += (header.size() > 1 ? "," : "") + entry(name, "F32", std::to_string(count), begin, data.size());
    }
    return safetensorsFile(header + '}', data);
}

inline std::vector<std::byte> bytesOf(const std::string& text)
{
    std::vector<std::byte> bytes(text.size());
    if (!text.empty())
        std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
}

/// A folder that vanishes with the test.
class Folder
{
public:
    std::string path(const std::string& name = {}) const
    {
        return (name.empty() ? m_folder.path() : m_folder.filePath(QString::fromStdString(name))).toStdString();
    }
    std::string write(const std::string& name, const std::string& content) const
    {
        QFile file(QString::fromStdString(path(name)));
        const auto size = qint64(content.size());
        if (!file.open(QIODevice::WriteOnly) || file.write(content.data(), size) != size)
            qFatal("cannot write %s", qPrintable(file.fileName()));
        return path(name);
    }
    std::string read(const std::string& name) const
    {
        QFile file(QString::fromStdString(path(name)));
        return file.open(QIODevice::ReadOnly) ? file.readAll().toStdString() : "cannot be read";
    }
    QStringList entries() const
    {
        return QDir(m_folder.path()).entryList(QDir::AllEntries | QDir::Hidden | QDir::NoDotAndDotDot);
    }

private:
    QTemporaryDir m_folder;
};

} // namespace ql::test

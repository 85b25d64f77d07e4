// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/resources.h"

#include <QCoreApplication>
#include <QDir>
#include <QFileInfo>
#include <QStandardPaths>

namespace ql {

Result<std::string> resourcePath(const std::string& relative)
{
    QStringList places;
    if (const QString set = qEnvironmentVariable("QUANTLOUPE_RESOURCES"); !set.isEmpty())
        places << set;
    if (QCoreApplication::instance())
        places << QCoreApplication::applicationDirPath() + "/../share/quantloupe";
    places << QStringLiteral(QUANTLOUPE_SOURCE_RESOURCES);
    for (const QString& place : places) {
        const QString path = place + '/' + QString::fromStdString(relative);
        if (QFileInfo::exists(path))
            return QDir::cleanPath(path).toStdString();
    }
    return Error{ErrorCode::FileNotFound, "not found in " + places.join(", ").toStdString(), relative};
}

std::string kernelCacheFolder()
{
    const QString folder =
        QStandardPaths::writableLocation(QStandardPaths::GenericCacheLocation) + QStringLiteral("/quantloupe/kernels");
    QDir().mkpath(folder);
    return folder.toStdString();
}

std::string exportNotesFolder()
{
    const QString data = QStandardPaths::writableLocation(QStandardPaths::GenericDataLocation);
    return (data + QStringLiteral("/quantloupe/exports")).toStdString();
}

} // namespace ql

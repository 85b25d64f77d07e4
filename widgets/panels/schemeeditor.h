// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SchemeEditor: the form of one scheme, or of several tensors' schemes at once ("mixed" where they differ).
#pragma once

#include "core/policy/policy.h"
#include "widgets/models/schemeedit.h"

#include <QWidget>

#include <memory>

namespace ql {

/// What a scheme edit applies to.
enum class EditScope { Tensor, Selection, Role, NewRule };

class SchemeEditor : public QWidget
{
    Q_OBJECT
public:
    explicit SchemeEditor(QWidget* parent = nullptr);
    ~SchemeEditor() override;

    /// One entry per selected tensor. Empty: nothing selected, everything disabled with a hint.
    struct Subject {
        QString name;
        TensorRole role = TensorRole::Other;
        int64_t rows = 0, cols = 0;
        Decision decision;
    };
    void setSubjects(const QList<Subject>& subjects);
    void setModelPath(const QString& path); ///< for the command line that can be copied
    void setOutputClip(bool possible, const QString& why); ///< clip=output, and why it cannot be chosen
    EditScope scope() const;
    Scheme scheme() const; ///< as shown (of the first subject where mixed)

Q_SIGNALS:
    /// `finished` is false while a slider or spin box is still moving. `fields` are the options changed since the last
    /// setSubjects(): with several subjects apply withFields(theirScheme, scheme, fields), so that only those options
    /// become equal. Not emitted when the scheme fits none of the subjects; the form then says why.
    void schemeEdited(const ql::Scheme& scheme, ql::EditScope scope, bool finished, ql::SchemeFields fields);
    void lockToggled(bool locked);
    void resetRequested(); ///< drop the override: back to rules and default

protected:
    void changeEvent(QEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
